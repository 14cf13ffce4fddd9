//! Waits without blocking a thread.

use std::future::ready;

use backon::Retryable;

use super::errors::{code, is_locked, of_code};
use crate::ports::call_record::for_same_call_apart;
use crate::ports::retries;

/// Retries while another process holds a lock. SQLite's own busy handler would block the thread meanwhile.
pub(super) async fn until_unlocked<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    (|| ready(attempt())).retry(retries::FILE_LOCK).sleep(tokio::time::sleep).when(is_locked).await
}

/// Waits for a turn.
pub(super) async fn in_turn<T>(turn: impl Future<Output = T>) -> rusqlite::Result<T> {
    let waited = tokio::time::timeout(retries::FILE_LOCK_PATIENCE, turn).await;
    waited.map_err(|_| of_code(code::BUSY, "those who came before take too long"))
}

/// Runs slow work on a thread that nothing else waits for.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> rusqlite::Result<T> {
    let done = tokio::task::spawn_blocking(for_same_call_apart(work)).await;
    done.map_err(|error| of_code(code::INTERRUPT, error.to_string()))
}
