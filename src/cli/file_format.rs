//! The formats of `import` and `export`.

use std::path::Path;

use clap::ValueEnum;

/// The format of a file of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A JSON object on each line.
    Jsonl,
    /// Comma-separated values, with the column names in the first line (RFC 4180).
    Csv,
}

impl Format {
    /// The format for a file name.
    pub(super) fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            Self::Csv
        } else {
            Self::Jsonl
        }
    }
}
