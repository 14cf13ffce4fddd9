//! Read connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::errors;
use super::files::Files;
use super::lock_retries::{apart, in_turn};
use crate::ports::retries::FILE_LOCK_PATIENCE;

/// Maximum number of concurrent long reads: each takes a thread.
const AT_LENGTH: usize = 4;
/// Maximum number of idle connections to keep.
const KEPT_CONNECTIONS: usize = 16;

/// Connections to one file, opened on demand. Clones share them.
#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    path: PathBuf,
    open: fn(&Path) -> rusqlite::Result<Connection>,
    /// `None` if nothing is written.
    files: Option<Files>,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Connection>>>,
    at_length: Arc<Semaphore>,
}

impl Readers {
    /// Connections to the database in that file, opened with that function, while the files are still these.
    pub(super) fn new(path: &Path, open: fn(&Path) -> rusqlite::Result<Connection>, files: Option<Files>) -> Self {
        let (idle, at_length) = (Mutex::new(Some(Vec::new())), Arc::new(Semaphore::new(AT_LENGTH)));
        Self(Arc::new(Shared { path: path.to_owned(), open, files, idle, at_length }))
    }

    /// Reads on the calling thread: from mapped or cached memory that is faster than waking another thread. Never
    /// waits: if another connection holds a lock, returns that error.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.0.idle.lock().as_mut().ok_or_else(errors::closed)?.pop();
        let is_new = idle.is_none();
        let connection = idle.map_or_else(|| (self.0.open)(&self.0.path), Ok)?;
        let answer = read(&connection);
        if is_new && let Some(files) = &self.0.files {
            // It found the log by its name, now. The files remember a problem for the check after the read.
            let _ = files.check();
        }
        let is_reusable = connection.is_autocommit();
        if let Some(kept) = self.0.idle.lock().as_mut().filter(|kept| is_reusable && kept.len() < KEPT_CONNECTIONS) {
            kept.push(connection);
        }
        answer
    }

    /// Reads on a separate thread, which may wait.
    pub(super) async fn read_at_length<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let turn = in_turn(Arc::clone(&self.0.at_length).acquire_owned()).await?;
        let readers = self.clone();
        apart(move || {
            let _turn = turn;
            readers.read(|connection| {
                connection.busy_timeout(FILE_LOCK_PATIENCE)?;
                let answer = read(connection);
                connection.busy_timeout(Duration::ZERO)?;
                answer
            })
        })
        .await?
    }

    /// Closes the connections. One that is in use is closed when it is returned.
    pub(super) fn close(&self) {
        self.0.idle.lock().take();
    }
}
