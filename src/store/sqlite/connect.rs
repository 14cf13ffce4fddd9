//! How connections are made.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::driver::SqliteDatabase;
use super::readers::Readers;

/// How long one waits for a lock that another process holds, and for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one waits for a lock before it is reported, where somebody looks on.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);
/// Each of these is a thread.
const READERS: u32 = 4;

/// What every connection has in common. The SQL of a schema that somebody tampered with runs no function with side
/// effects (<https://www.sqlite.org/security.html>).
pub(super) fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new().pragma("trusted_schema", "OFF").busy_timeout(PATIENCE).disable_statement_logging()
}

/// A connection that writes nothing, not even at its end.
pub(super) fn looking(path: &Path) -> SqliteConnectOptions {
    options().filename(path).read_only(true).pragma("cell_size_check", "ON").busy_timeout(SHORT_PATIENCE)
}

/// A connection that writes: what it commits is on the disk, and what it deletes is overwritten.
pub(super) fn writing(path: &Path) -> SqliteConnectOptions {
    options()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
}

/// The only connection: everything that was written is moved into the file, which nobody else may have open.
pub(super) fn alone(path: &Path) -> SqliteConnectOptions {
    options().filename(path).journal_mode(SqliteJournalMode::Delete).busy_timeout(SHORT_PATIENCE)
}

/// The database of a file that was checked.
pub(super) async fn connect(path: &Path) -> Result<SqliteDatabase, sqlx::Error> {
    let writer = pool(1)
        // Where SQLite itself has rolled back, as it does when the disk is full, the driver still believes in a
        // transaction: such a connection could never begin another.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(writing(path))
        .await?;
    let patient_readers = pool(READERS).connect_with(options().filename(path).read_only(true)).await?;
    Ok(SqliteDatabase { readers: Some(Readers::new(path)), patient_readers, writer })
}

/// As [`connect`], but nothing can be written.
pub(super) async fn look(path: &Path) -> Result<SqliteDatabase, sqlx::Error> {
    let patient_readers = pool(1).connect_with(looking(path)).await?;
    Ok(SqliteDatabase { readers: None, writer: patient_readers.clone(), patient_readers })
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}
