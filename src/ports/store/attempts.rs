//! Wrong passwords in a row.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::attempts::{Backoff, Pair, StoredFailures};
use crate::domain::audit_event::AuditEvent;
use crate::domain::time::Timestamp;

/// Failed attempts.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// The wrong passwords in a row that are stored.
    async fn failures(&self, pair: &Pair) -> Result<StoredFailures, StoreError>;

    /// Counts one more failed attempt, for the pair and for the subject, with its audit event in the same transaction.
    /// If by that limit the pair now has to wait, the transaction also writes the change event of the subject that the
    /// audit event names. An attempt without a verdict counts alike but sends watchers nothing.
    ///
    /// MUST keep the failures of the [`KEPT_PAIRS`](crate::domain::attempts::KEPT_PAIRS) pairs of the subject that failed
    /// last, and of no others: callers may give any number of origins.
    async fn record_failure(
        &self,
        pair: &Pair,
        at: Timestamp,
        limit: &Backoff,
        event: &AuditEvent,
    ) -> Result<(), StoreError>;

    /// Forgets the pair's failures, and subtracts as many from the subject's.
    async fn forget_failures(&self, pair: &Pair) -> Result<(), StoreError>;
}
