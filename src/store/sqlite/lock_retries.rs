//! Waits without blocking a thread.

use std::time::Duration;

use super::errors::{code, is_locked, of_code};

/// Time to wait for a lock that another process holds, and for a turn in this one.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u128 = PATIENCE.as_millis() / PAUSE.as_millis();

/// Retries while another process holds a lock. SQLite's own busy handler would block the thread meanwhile.
pub(super) async fn until_unlocked<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    for _ in 0..TRIES {
        match attempt() {
            Err(error) if is_locked(&error) => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
    attempt()
}

/// Waits for a turn.
pub(super) async fn in_turn<T>(turn: impl Future<Output = T>) -> rusqlite::Result<T> {
    let waited = tokio::time::timeout(PATIENCE, turn).await;
    waited.map_err(|_| of_code(code::BUSY, "those who came before take too long"))
}

/// Runs slow work on a thread that nothing else waits for.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> rusqlite::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| of_code(code::INTERRUPT, error.to_string()))
}
