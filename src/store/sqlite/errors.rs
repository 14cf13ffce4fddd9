//! What the driver's errors mean to the core.

use sqlx::error::DatabaseError;

use crate::ports::StoreError;

/// Result codes, without the extension bits (<https://www.sqlite.org/rescode.html>).
pub(super) mod code {
    pub(crate) const BUSY: i32 = 5;
    pub(crate) const LOCKED: i32 = 6;
    pub(crate) const READONLY: i32 = 8;
    pub(crate) const CORRUPT: i32 = 11;
    pub(crate) const FULL: i32 = 13;
    pub(crate) const CANTOPEN: i32 = 14;
    pub(crate) const NOTADB: i32 = 26;
}

/// The result code of an error that SQLite itself gave.
pub(super) fn code_of(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error().and_then(DatabaseError::code)?.parse().ok()?;
    Some(extended & 0xff)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // Name the column, never the value.
            sqlx::Error::ColumnDecode { index, .. } => Self::Damaged(format!("{index} can't be read")),
            sqlx::Error::Decode(_) => Self::Damaged("a value can't be read".to_owned()),
            _ if matches!(code_of(&error), Some(code::CORRUPT | code::NOTADB)) => Self::Damaged(error.to_string()),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

/// What an error of `COMMIT` means. A full disk and a lock end it before the last byte is written; after any other
/// error the change may or may not come back with the write-ahead log.
pub(super) fn at_commit(error: sqlx::Error) -> StoreError {
    match code_of(&error) {
        Some(code::BUSY | code::FULL) => error.into(),
        _ => StoreError::OutcomeUnknown(Box::new(error)),
    }
}
