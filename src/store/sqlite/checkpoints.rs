//! Moving what is committed from the write-ahead log into the database file, beside the writing. SQLite by itself would
//! do so within a `COMMIT`, while everybody waits (<https://www.sqlite.org/wal.html#ckpt>).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::connect::writing;
use super::writer::Writer;

/// How many pages the log grows between checkpoints, as with SQLite by itself: some 4 MiB.
const PAGES: i64 = 1000;

/// When the next one is due.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// How long the log was when the last one began.
    began_at: i64,
}

impl Checkpoints {
    /// Those of the database of that file, which this connection leaves to us.
    pub(super) fn of(connection: &Connection, path: &Path) -> rusqlite::Result<Self> {
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
        Ok(Self { path: path.to_owned(), began_at: 0 })
    }

    /// Begins one in the background where it is time.
    pub(super) fn after_commit(&mut self, connection: &Connection, writer: &Writer) {
        // Where it is not known, the next commit tells.
        let pages = log_pages(connection).unwrap_or_default();
        if pages < self.began_at {
            // The log began anew.
            self.began_at = 0;
        }
        if pages >= self.began_at + PAGES {
            self.began_at = pages;
            let (path, writer) = (self.path.clone(), Arc::clone(writer));
            tokio::task::spawn_blocking(move || {
                if let Err(error) = checkpoint(&path, &writer) {
                    tracing::warn!(%error, "the write-ahead log stays longer than it should");
                }
            });
        }
    }
}

fn log_pages(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| row.get(1))
}

fn checkpoint(path: &Path, writer: &Writer) -> rusqlite::Result<()> {
    let connection = writing(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    let copy = || connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    // Nearly all of it, while others write.
    copy()?;
    // What they wrote meanwhile. Only when all is moved does the log begin anew, or it would grow for as long as there is
    // always somebody who writes.
    let _nobody_writes = writer.blocking_lock();
    copy()
}
