//! Logs, on standard error with UTC times, and metrics, for scrapes.

mod endpoint;
mod escaping;
mod meter;
mod metrics;

use std::io;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use endpoint::{Stage, scrapes};
pub use meter::AtomicMeter;
pub use metrics::{DescribedMetric, Metrics, described};

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
}

/// Starts logging for the whole process.
///
/// `level` is a level, or several of the form `module=level` with commas.
///
/// Lines with the target `always` are written at any level, if there is one.
///
/// # Errors
/// The level is invalid, or logging was already started.
pub fn init(level: &str, always: Option<&str>, format: Format) -> Result<(), InitError> {
    let always = always.map(|target| format!("{target}=info").parse::<Directive>()).transpose()?;
    let filter = always.into_iter().fold(EnvFilter::builder().parse(level)?, EnvFilter::add_directive);
    subscriber(filter, format, io::stderr).try_init()?;
    Ok(())
}

fn subscriber<W>(filter: EnvFilter, format: Format, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    match format {
        Format::Text => Box::new(builder.fmt_fields(escaping::on_one_line()).finish()),
        Format::Json => Box::new(builder.json().flatten_event(true).with_span_list(false).finish()),
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
        let subscriber = subscriber(EnvFilter::new("info"), format, move || writer.clone());
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
    fn an_event_says_when_how_bad_what_and_with_which_values() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(EnvFilter::new("info"), Format::Text, move || writer.clone());
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
