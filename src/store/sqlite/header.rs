//! The first bytes of a database file, read without SQLite.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Distinguishes this program's files from other SQLite files: "CRED".
const APPLICATION_ID: &[u8; 4] = b"CRED";

/// Kind of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A store of this program.
    Store,
    /// A SQLite file of another program.
    OtherDatabase,
    /// Not a SQLite file.
    Unknown,
}

/// Returns the kind of a file (<https://www.sqlite.org/fileformat.html#the_database_header>).
///
/// Closing a file releases this process's locks on it (POSIX): never call this while this process has the store open.
pub(super) fn kind_of(path: &Path) -> io::Result<FileKind> {
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(match header.get(68..72) {
        Some(id) if header.starts_with(b"SQLite format 3\0") && header.len() == 100 => {
            if id == APPLICATION_ID {
                FileKind::Store
            } else {
                FileKind::OtherDatabase
            }
        }
        _ => FileKind::Unknown,
    })
}
