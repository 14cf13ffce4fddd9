//! The progress of a rotation: a bar on a terminal, otherwise a line now and then.

use std::cell::Cell;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::cli::progress::styled;
use crate::cli::terminal::Terminal;

/// How often a line is printed.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR: &str = "{bar:30} {pos} of {len}, {eta} left";

/// Counts subjects.
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the last line was printed, since the start.
    last_line: Cell<Duration>,
}

impl Progress {
    pub(super) fn new(subjects: usize) -> Self {
        Self { bar: styled(ProgressBar::new(subjects as u64), BAR), last_line: Cell::default() }
    }

    pub(super) fn add(&self, subjects: usize, terminal: &mut Terminal) {
        self.bar.inc(subjects as u64);
        let elapsed = self.bar.elapsed();
        if self.bar.is_hidden() && elapsed.saturating_sub(self.last_line.get()) >= LINE_EVERY {
            self.last_line.set(elapsed);
            terminal.complain(&format!(
                "{} of {} subjects",
                self.bar.position(),
                self.bar.length().unwrap_or_default()
            ));
        }
    }

    /// Prints a line, above the bar if there is one.
    pub(super) fn say(&self, line: &str, terminal: &mut Terminal) {
        self.bar.suspend(|| terminal.complain(line));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_is_understood() {
        assert!(indicatif::ProgressStyle::with_template(super::BAR).is_ok());
    }
}
