//! Checkpoints: move committed pages from the write-ahead log into the database file, concurrently with writers. SQLite
//! by itself would do so within a `COMMIT`, while all callers wait (<https://www.sqlite.org/wal.html#ckpt>).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, Row};
use tokio::task::JoinHandle;

use super::connect::writing;
use super::errors::{code, code_of, is_locked, of_code};
use super::writer::Writer;

/// How many pages the log grows between checkpoints, the same as SQLite's default: about 4 MiB.
const PAGES: i64 = 1000;

/// When the next checkpoint is due.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// Length of the log when the last checkpoint began.
    began_at: i64,
    under_way: Option<JoinHandle<()>>,
    /// Whether a write or a checkpoint failed and the log has not been moved since.
    is_short_of_room: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Takes over the checkpoints of the database in that file from this connection.
    pub(super) fn of(connection: &Connection, path: &Path) -> rusqlite::Result<Self> {
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
        Ok(Self { path: path.to_owned(), began_at: 0, under_way: None, is_short_of_room: Arc::default() })
    }

    /// After a full disk, moves the log before anything is added to it. Only then can it start over; if writes came first,
    /// it could take all the room that an operator has made, and leave none to move it to.
    pub(super) fn before_write(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.is_short_of_room.load(Ordering::Relaxed) && copy(connection)? == Copied::All {
            self.is_short_of_room.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Begins a checkpoint in the background if one is due.
    pub(super) fn after_commit(&mut self, connection: &Connection, committed: &rusqlite::Result<()>, writer: &Writer) {
        if committed.as_ref().is_err_and(|error| matches!(code_of(error), Some(code::FULL | code::IOERR))) {
            self.is_short_of_room.store(true, Ordering::Relaxed);
        }
        if self.under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        // If the length is unknown, the next commit looks again.
        let pages = log_pages(connection).unwrap_or_default();
        if pages < self.began_at {
            // The log has started over.
            self.began_at = 0;
        }
        if pages >= self.began_at + PAGES {
            self.began_at = pages;
            let (path, writer, is_short) = (self.path.clone(), Arc::clone(writer), Arc::clone(&self.is_short_of_room));
            self.under_way = Some(tokio::task::spawn_blocking(move || {
                match connect(&path).and_then(|own| beside(&own, &writer)) {
                    Err(error) if !is_locked(&error) => {
                        tracing::warn!(%error, "can't checkpoint the write-ahead log; the next write tries again first");
                        is_short.store(true, Ordering::Relaxed);
                    }
                    // Another checkpoint is under way.
                    Ok(()) | Err(_) => {}
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
    // Moves the pages written meanwhile, with writers locked out. The log starts over only when all pages are moved;
    // otherwise it would grow for as long as writes never pause.
    let mut no_writer = writer.blocking_lock();
    if let Some(writable) = no_writer.as_mut() {
        writable.commit_group(writer);
    }
    copy(own).map(drop)
}

/// How much of the log a checkpoint moved.
#[derive(PartialEq, Eq)]
enum Copied {
    All,
    /// The rest waits for a reader.
    Part,
}

/// Fails as locked while another checkpoint runs.
fn copy(connection: &Connection) -> rusqlite::Result<Copied> {
    let copied = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], copied)? {
        (true, ..) => Err(of_code(code::BUSY, "another checkpoint is under way")),
        (false, pages, moved) if moved < pages => Ok(Copied::Part),
        (false, ..) => Ok(Copied::All),
    }
}
