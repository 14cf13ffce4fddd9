//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use std::io::Cursor;

use clap::ValueEnum;

use super::{Columns, System, SystemRows};
use crate::cli::file_format::Format;
use crate::cli::import::source::Rows;
use crate::domain::subject::SubjectKind;

/// Reads a file, in the format of that number, as `import` does. Returns the numbers of the rows, up to what ends it.
pub fn read_rows(format: usize, file: &[u8]) -> Vec<u64> {
    let input = Box::new(Cursor::new(file.to_vec()));
    let systems = System::value_variants();
    let number = format % (systems.len() + 2);
    let rows = match systems.get(number) {
        Some(&system) => Ok(Rows::System(SystemRows {
            accounts: system.accounts(input),
            columns: Columns {
                kind: SubjectKind::RamUser,
                fixed: Vec::new(),
                mapped: vec![("name".to_owned(), system.name_field().to_owned())],
            },
        })),
        None if number == systems.len() => Rows::new(input, Format::Jsonl),
        None => Rows::new(input, Format::Csv),
    };
    rows.map(|rows| rows.map_while(Result::ok).map(|row| row.row_number).collect()).unwrap_or_default()
}
