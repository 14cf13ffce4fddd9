//! Periodic upkeep of a store.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::time::Timestamp;

/// Removal of expired and orphaned rows. No other call uses such rows, removed or not.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Removes some of the access tokens, client tokens and overlaps that are over, and of what
    /// deletions of tenants and smaller settings left: few enough that no other transaction waits long or fails because
    /// of it. Returns whether there may be more.
    async fn remove_old(&self, now: Timestamp) -> Result<bool, StoreError>;

    /// Removes some of the wrong passwords that no longer count, if those of a pair that is not stopped count for that long.
    /// Returns whether there may be more.
    async fn remove_old_failures(&self, now: Timestamp, counted_for: Duration) -> Result<bool, StoreError>;

    /// Removes some of the nonces that are spent until before that time. Returns whether there may be more.
    async fn remove_spent_nonces(&self, now: Timestamp) -> Result<bool, StoreError>;
}
