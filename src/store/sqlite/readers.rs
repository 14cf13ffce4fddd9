//! Connections that read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::errors;
use super::lock_retries::{PATIENCE, apart, in_turn};

/// How many read at length at a time: each takes a thread.
const AT_LENGTH: usize = 4;
/// Connections that are kept while nobody uses them.
const KEPT_CONNECTIONS: usize = 16;

/// Connections to one file, made as they are needed. Clones share them.
#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    path: PathBuf,
    open: fn(&Path) -> rusqlite::Result<Connection>,
    /// `None` once they are closed.
    idle: Mutex<Option<Vec<Connection>>>,
    at_length: Arc<Semaphore>,
}

impl Readers {
    /// Connections to the database of that file, made by that function.
    pub(super) fn new(path: &Path, open: fn(&Path) -> rusqlite::Result<Connection>) -> Self {
        let (idle, at_length) = (Mutex::new(Some(Vec::new())), Arc::new(Semaphore::new(AT_LENGTH)));
        Self(Arc::new(Shared { path: path.to_owned(), open, idle, at_length }))
    }

    /// Reads on the thread that asks: from memory that is mapped or cached that takes less time than to wake another.
    /// Never waits: where somebody else holds a lock, that is the error.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle().as_mut().ok_or_else(errors::closed)?.pop();
        let connection = idle.map_or_else(|| (self.0.open)(&self.0.path), Ok)?;
        let answer = read(&connection);
        if let Some(kept) = self.idle().as_mut().filter(|kept| kept.len() < KEPT_CONNECTIONS) {
            kept.push(connection);
        }
        answer
    }

    /// Reads on a thread of its own, which may wait.
    pub(super) async fn read_at_length<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let turn = in_turn(Arc::clone(&self.0.at_length).acquire_owned()).await?;
        let readers = self.clone();
        apart(move || {
            let _turn = turn;
            readers.read(|connection| {
                connection.busy_timeout(PATIENCE)?;
                let answer = read(connection);
                connection.busy_timeout(Duration::ZERO)?;
                answer
            })
        })
        .await?
    }

    /// Closes the connections. One that is in use is closed when it comes back.
    pub(super) fn close(&self) {
        self.idle().take();
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
