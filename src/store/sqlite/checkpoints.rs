//! Checkpoints: move committed pages from the write-ahead log into the database file, concurrently with writers. SQLite
//! by itself would do so within a `COMMIT`, while all callers wait (<https://www.sqlite.org/wal.html#ckpt>).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::task::JoinHandle;

use super::connect::writing;
use super::writer::Writer;

/// How many pages the log grows between checkpoints, the same as SQLite's default: about 4 MiB.
const PAGES: i64 = 1000;

/// When the next checkpoint is due.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// Length of the log when the last checkpoint began.
    began_at: i64,
    under_way: Option<JoinHandle<()>>,
    has_failed: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Takes over the checkpoints of the database in that file from this connection.
    pub(super) fn of(connection: &Connection, path: &Path) -> rusqlite::Result<Self> {
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
        Ok(Self { path: path.to_owned(), began_at: 0, under_way: None, has_failed: Arc::default() })
    }

    /// Begins a checkpoint in the background if one is due, or if the last one failed. Called after failed commits too:
    /// if the log has filled the disk, only a checkpoint lets it start over.
    pub(super) fn after_commit(&mut self, connection: &Connection, writer: &Writer) {
        if self.under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        // If the length is unknown, the next commit looks again.
        let pages = log_pages(connection).unwrap_or_default();
        if pages < self.began_at {
            // The log has started over.
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
                    tracing::warn!(%error, "can't checkpoint the write-ahead log; it will be retried");
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

/// Checkpoints while others write.
fn beside(own: &Connection, writer: &Writer) -> rusqlite::Result<()> {
    // Moves nearly all pages.
    copy(own)?;
    // Moves the pages written meanwhile. The log starts over only when all pages are moved; otherwise it would grow for
    // as long as writes never pause.
    alone(own, writer)
}

/// Checkpoints with writers locked out: on a nearly full disk the log must not take the space that is left.
fn alone(own: &Connection, writer: &Writer) -> rusqlite::Result<()> {
    let _no_writer = writer.blocking_lock();
    copy(own)
}

fn copy(own: &Connection) -> rusqlite::Result<()> {
    own.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
