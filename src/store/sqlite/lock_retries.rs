//! Waiting, without keeping a thread from others.

use std::time::Duration;

use super::errors::{code, is_locked, of_code};

/// How long one waits for a lock that another process holds, and for those who were there before.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u128 = PATIENCE.as_millis() / PAUSE.as_millis();

/// Tries again for as long as another process holds a lock. SQLite's own busy handler would keep the thread meanwhile.
pub(super) async fn until_unlocked<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    for _ in 0..TRIES {
        match attempt() {
            Err(error) if is_locked(&error) => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
    attempt()
}

/// Waits for one's turn.
pub(super) async fn in_turn<T>(turn: impl Future<Output = T>) -> rusqlite::Result<T> {
    let waited = tokio::time::timeout(PATIENCE, turn).await;
    waited.map_err(|_| of_code(code::BUSY, "those who came before take too long"))
}

/// Does what takes long on a thread for which nobody else waits.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> rusqlite::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| of_code(code::INTERRUPT, error.to_string()))
}
