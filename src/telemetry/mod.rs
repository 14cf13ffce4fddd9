//! Logs, on standard error with UTC times, metrics, for scrapes, and traces, for a collector.

mod endpoint;
mod escaping;
mod meter;
mod metrics;
mod traces;

use std::io;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use endpoint::{Stage, scrapes};
pub use meter::AtomicMeter;
pub use metrics::{DescribedMetric, Metrics, described};
pub use traces::{Collector, CollectorProblem, Exporter};

/// The format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Why logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The level is invalid.
    #[error("log level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Something else already writes the logs of this process.
    #[error(transparent)]
    Taken(#[from] TryInitError),
    /// The log has ended.
    #[error(transparent)]
    Ended(#[from] reload::Error),
}

/// The level of a log that is running.
pub struct Level {
    in_force: String,
    always: Option<Directive>,
    replace: Replace,
}

/// Puts another filter before the log.
type Replace = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// Starts logging for the whole process.
///
/// `level` is a level, or several of the form `module=level` with commas.
///
/// Lines with the target `always` are written at any level, if there is one.
///
/// # Errors
/// The level is invalid, or logging was already started.
pub fn init(level: &str, always: Option<&str>, format: Format) -> Result<Level, InitError> {
    let always = always.map(|target| format!("{target}=info").parse::<Directive>()).transpose()?;
    let (subscriber, replace) = subscriber(filter(level, always.as_ref())?, format, io::stderr);
    subscriber.try_init()?;
    Ok(Level { in_force: level.to_owned(), always, replace })
}

impl Level {
    /// Changes the level, from the next line on. Returns whether it is another one.
    ///
    /// # Errors
    /// The level is invalid.
    pub fn set(&mut self, level: &str) -> Result<bool, InitError> {
        if level == self.in_force {
            return Ok(false);
        }
        (self.replace)(filter(level, self.always.as_ref())?)?;
        level.clone_into(&mut self.in_force);
        Ok(true)
    }
}

fn filter(level: &str, always: Option<&Directive>) -> Result<EnvFilter, InitError> {
    Ok(always.cloned().into_iter().fold(EnvFilter::builder().parse(level)?, EnvFilter::add_directive))
}

fn subscriber<W>(filter: EnvFilter, format: Format, writer: W) -> (Box<dyn Subscriber + Send + Sync>, Replace)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    match format {
        Format::Text => {
            let builder = builder.fmt_fields(escaping::on_one_line()).with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(builder.finish()), Box::new(move |filter| handle.reload(filter)))
        }
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_span_list(false).with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(builder.finish()), Box::new(move |filter| handle.reload(filter)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    /// A log that is kept.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged if a message, a value and a span each contain a second line.
    fn forged(format: Format) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let (subscriber, _) = subscriber(EnvFilter::new("info"), format, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let lines = "one\n2026-01-01T00:00:00Z  INFO two\r\u{1b}[2J\u{85}\u{2028}";
            let span = tracing::info_span!("request", correlation = %lines);
            let _inside = span.enter();
            tracing::info!(shown = %lines, debugged = ?lines, text = lines, "{lines}");
        });
        let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn nothing_that_is_logged_starts_a_line_of_its_own() {
        for format in [Format::Text, Format::Json] {
            let text = forged(format);
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(text.ends_with('\n') && !text.contains(['\r', '\u{1b}']), "{text}");
        }
        assert!(!forged(Format::Text).contains(['\u{85}', '\u{2028}']));
    }

    #[test]
    fn a_level_is_changed_while_the_log_runs() {
        for format in [Format::Text, Format::Json] {
            let kept = Kept::default();
            let writer = kept.clone();
            let always: Directive = "calls=info".parse().unwrap();
            let (subscriber, replace) =
                subscriber(filter("warn", Some(&always)).unwrap(), format, move || writer.clone());
            let mut level = Level { in_force: "warn".to_owned(), always: Some(always), replace };
            tracing::subscriber::with_default(subscriber, || {
                let log = |number| {
                    tracing::info!(target: "calls", "call {number}");
                    tracing::debug!("line {number}");
                };
                log(1);
                assert!(level.set("debug").unwrap() && !level.set("debug").unwrap());
                log(2);
                assert!(level.set("nonsense=nothing").is_err());
                log(3);
                level.set("error").unwrap();
                log(4);
            });
            let text = String::from_utf8(kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap();
            let is_there = [1, 2, 3, 4].map(|number| text.contains(&format!("line {number}")));
            assert_eq!(is_there, [false, true, true, false], "{text}");
            assert_eq!(text.matches("call ").count(), 4, "{text}");
        }
    }

    #[test]
    fn an_event_says_when_how_bad_what_and_with_which_values() {
        let kept = Kept::default();
        let writer = kept.clone();
        let (subscriber, _) = subscriber(EnvFilter::new("info"), Format::Text, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(address = %"127.0.0.1:1", count = 3, "listening");
            tracing::debug!("not shown");
        });
        let text = String::from_utf8(kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap();
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.ends_with('Z'), "{text}");
        assert!(rest.contains("WARN") && rest.ends_with("listening address=127.0.0.1:1 count=3\n"), "{text}");
    }
}
