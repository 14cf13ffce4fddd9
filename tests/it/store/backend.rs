//! What a backend has to offer so that the laws can be checked on it.

use std::sync::Arc;

use async_trait::async_trait;
use credentiald::ports::Store;
use credentiald::ports::store::StoredHashes;
use uuid::Uuid;

#[async_trait]
pub trait Backend: Send + Sync {
    /// An empty store of its own.
    async fn fresh() -> Self
    where
        Self: Sized;

    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The store, as the keeper of the pepper's keys sees it.
    fn hashes(&self) -> Arc<dyn StoredHashes>;

    /// Closes the store and opens it again.
    async fn reopen(&mut self);

    /// Runs a statement past the store, as who runs the service may.
    async fn try_statement(&self, statement: &'static str) -> Result<(), String>;

    /// The ids of the audit events, in the order in which they were written.
    async fn audit_events(&self) -> Vec<Uuid>;
}
