//! Maps errors of the driver to errors of the port.

use rusqlite::Error;
use rusqlite::ffi;

use crate::ports::StoreError;
use crate::store::sql::Again;

/// Result codes, without the extension bits (<https://www.sqlite.org/rescode.html>).
pub(super) mod code {
    use rusqlite::ffi;

    pub(crate) const BUSY: i32 = ffi::SQLITE_BUSY;
    pub(crate) const LOCKED: i32 = ffi::SQLITE_LOCKED;
    pub(crate) const READONLY: i32 = ffi::SQLITE_READONLY;
    pub(crate) const INTERRUPT: i32 = ffi::SQLITE_INTERRUPT;
    pub(crate) const IOERR: i32 = ffi::SQLITE_IOERR;
    pub(crate) const CORRUPT: i32 = ffi::SQLITE_CORRUPT;
    pub(crate) const FULL: i32 = ffi::SQLITE_FULL;
    pub(crate) const CANTOPEN: i32 = ffi::SQLITE_CANTOPEN;
    pub(crate) const CONSTRAINT: i32 = ffi::SQLITE_CONSTRAINT;
    pub(crate) const MISUSE: i32 = ffi::SQLITE_MISUSE;
    pub(crate) const NOTADB: i32 = ffi::SQLITE_NOTADB;
}

/// The result code of an error that SQLite itself returned.
pub(super) fn code_of(error: &Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code & 0xff)
}

/// The same with the extension bits, or 0 of any other error.
pub(super) fn extended_code_of(error: &Error) -> i32 {
    error.sqlite_error().map_or(ffi::SQLITE_OK, |error| error.extended_code)
}

/// Whether another connection holds a lock.
pub(super) fn is_locked(error: &Error) -> bool {
    matches!(code_of(error), Some(code::BUSY | code::LOCKED))
}

/// An error of this program, in the form of a SQLite error.
pub(super) fn of_code(code: i32, detail: impl Into<String>) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), Some(detail.into()))
}

pub(super) fn closed() -> Error {
    of_code(code::MISUSE, "the store is closed")
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match code_of(&error) {
            Some(code::CORRUPT | code::NOTADB) => Self::Damaged(error.to_string()),
            Some(code::CONSTRAINT) => Again::Constraint(Box::new(error)).into(),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Maps an error of `COMMIT`. A full disk, a lock, and a failed write (for example beyond the process's file size
/// limit) end it before the last byte is written; after any other error the change may or may not come back with the
/// write-ahead log.
pub(super) fn at_commit(error: Error) -> StoreError {
    let is_write = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE);
    match code_of(&error) {
        Some(code::BUSY | code::FULL) => error.into(),
        _ if is_write => error.into(),
        _ => StoreError::OutcomeUnknown(Box::new(error)),
    }
}
