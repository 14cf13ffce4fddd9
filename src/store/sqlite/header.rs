//! The first bytes of a database file, read without SQLite.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What tells our files from other SQLite files: "CRED".
const APPLICATION_ID: &[u8; 4] = b"CRED";

/// What kind of file it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// One of ours.
    Store,
    /// A SQLite file of another program.
    OtherDatabase,
    /// No SQLite file.
    Unknown,
}

/// Tells what kind of file it is (<https://www.sqlite.org/fileformat.html#the_database_header>).
///
/// To close a file gives up this process's locks on it (POSIX): never call this while the store is open here.
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
