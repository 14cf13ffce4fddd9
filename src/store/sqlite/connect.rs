//! Opens connections.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::ports::retries::FILE_LOCK_PATIENCE;

/// Time to wait for a lock before reporting it, if an operator is watching.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of the write-ahead log to keep for reuse: twice its growth between checkpoints.
const LOG_KEEPS: i64 = 8 * 1024 * 1024;
/// Number of statements that a connection keeps prepared: more than the store has.
const KEPT_STATEMENTS: usize = 256;

/// A connection that reads beside others, and never waits.
pub(super) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, Duration::ZERO)
}

/// A connection that writes nothing, not even when it closes.
pub(super) fn looking(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, SHORT_PATIENCE)?;
    connection.execute_batch("PRAGMA cell_size_check = ON")?;
    Ok(connection)
}

/// A connection that writes: commits are synced to disk, and deleted content is overwritten.
pub(super) fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, FILE_LOCK_PATIENCE)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON",
    )?;
    // When the log starts over, release the space that a large transaction took.
    connection.pragma_update(None, "journal_size_limit", LOG_KEEPS)?;
    Ok(connection)
}

/// The only connection: moves everything written into the file, which no other connection may have open.
pub(super) fn alone(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, SHORT_PATIENCE)?;
    connection.execute_batch("PRAGMA journal_mode = DELETE")?;
    Ok(connection)
}

/// Common part of all connections. The SQL of a schema that was tampered with cannot run functions with side effects
/// (<https://www.sqlite.org/security.html>).
fn open(path: &Path, access: OpenFlags, patience: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(patience)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF")?;
    connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
    Ok(connection)
}
