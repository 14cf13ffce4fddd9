//! Moving what is committed from the write-ahead log into the database file, beside the writing. SQLite by itself would
//! do so within a `COMMIT`, while everybody waits (<https://www.sqlite.org/wal.html#ckpt>).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::task::JoinHandle;

use super::connect::writing;
use super::writer::Writer;

/// How many pages the log grows between checkpoints, as with SQLite by itself: some 4 MiB.
const PAGES: i64 = 1000;

/// When the next one is due.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// How long the log was when the last one began.
    began_at: i64,
    under_way: Option<JoinHandle<()>>,
    has_failed: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Those of the database of that file, which this connection leaves to us.
    pub(super) fn of(connection: &Connection, path: &Path) -> rusqlite::Result<Self> {
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
        Ok(Self { path: path.to_owned(), began_at: 0, under_way: None, has_failed: Arc::default() })
    }

    /// Begins one in the background where it is time, or where the last one failed. After a commit that failed as well:
    /// where the log has taken all of a disk, nothing but a checkpoint lets it begin anew.
    pub(super) fn after_commit(&mut self, connection: &Connection, writer: &Writer) {
        if self.under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        // Where it is not known, the next commit tells.
        let pages = log_pages(connection).unwrap_or_default();
        if pages < self.began_at {
            // The log began anew.
            self.began_at = 0;
        }
        let once_more = self.has_failed.load(Ordering::Relaxed);
        if once_more || pages >= self.began_at + PAGES {
            self.began_at = pages;
            let (path, writer, has_failed) = (self.path.clone(), Arc::clone(writer), Arc::clone(&self.has_failed));
            self.under_way = Some(tokio::task::spawn_blocking(move || {
                let moved =
                    connect(&path).and_then(|own| if once_more { alone(&own, &writer) } else { beside(&own, &writer) });
                has_failed.store(moved.is_err(), Ordering::Relaxed);
                if let (Err(error), false) = (moved, once_more) {
                    tracing::warn!(%error, "the write-ahead log stays longer than it should; it is tried again");
                }
            }));
        }
    }
}

fn log_pages(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| row.get(1))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = writing(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

/// Moves the log while others write.
fn beside(own: &Connection, writer: &Writer) -> rusqlite::Result<()> {
    // Nearly all of it.
    copy(own)?;
    // What they wrote meanwhile. Only when all is moved does the log begin anew, or it would grow for as long as there is
    // always somebody who writes.
    alone(own, writer)
}

/// Moves the log while nobody writes: what is left of a disk that is nearly full is not for the log to grow.
fn alone(own: &Connection, writer: &Writer) -> rusqlite::Result<()> {
    let _nobody_writes = writer.blocking_lock();
    copy(own)
}

fn copy(own: &Connection) -> rusqlite::Result<()> {
    own.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
