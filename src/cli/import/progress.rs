//! The progress of an import: a bar on a terminal, otherwise a line now and then.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressBarIter};

use crate::cli::progress::styled;
use crate::cli::terminal::Terminal;

/// How often a bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(200);
/// How often a line is printed.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR: &str = "{bar:30} {percent:>3} %, {msg}, {eta} left";
const SPINNER: &str = "{spinner} {msg}";

/// Counts bytes as they are read and rows as they are sent. Clones count together.
#[derive(Clone)]
pub(super) struct Progress {
    /// Shows the bytes; hidden if standard error is not a terminal.
    bar: ProgressBar,
    rows: Arc<AtomicU64>,
}

impl Progress {
    /// For an input of `bytes` bytes; `None` for a pipe, whose size is unknown.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), BAR),
            None => (ProgressBar::new_spinner(), SPINNER),
        };
        Self { bar: styled(bar, template), rows: Arc::default() }
    }

    /// The same input, with its bytes counted.
    pub(super) fn reading<R: Read>(&self, input: R) -> ProgressBarIter<R> {
        self.bar.wrap_read(input)
    }

    pub(super) fn add_rows(&self, count: usize) {
        self.rows.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Reports the progress until the work is done.
    pub(super) async fn watch<T>(&self, terminal: &mut Terminal, work: impl Future<Output = T>) -> T {
        let mut ticks = tokio::time::interval(if self.bar.is_hidden() { LINE_EVERY } else { BAR_EVERY });
        // The first comes at once.
        ticks.tick().await;
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => {
                    self.bar.finish_and_clear();
                    return done;
                }
                _ = ticks.tick() => self.show(terminal),
            }
        }
    }

    fn show(&self, terminal: &mut Terminal) {
        let line = line(self.rows.load(Ordering::Relaxed), self.bar.elapsed());
        if self.bar.is_hidden() {
            terminal.complain(&line);
        } else {
            self.bar.set_message(line);
        }
    }
}

fn line(rows: u64, took: Duration) -> String {
    let per_second = u128::from(rows) * 1000 / took.as_millis().max(1);
    let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
    format!("{} rows, {} rows/s", HumanCount(rows), HumanCount(per_second))
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    use super::*;

    #[test]
    fn a_line_tells_rows_and_rate() {
        assert_eq!(line(1_234_567, Duration::from_secs(10)), "1,234,567 rows, 123,456 rows/s");
        assert_eq!(line(0, Duration::ZERO), "0 rows, 0 rows/s");
    }

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
