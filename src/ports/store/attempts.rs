//! Wrong passwords in a row.

use async_trait::async_trait;

use super::{Authority, StoreError};
use crate::domain::attempts::{Backoff, Forget, Pair, PairFailures, StoredFailures};
use crate::domain::audit_event::AuditEvent;
use crate::domain::page::{Page, PageRequest};
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
    /// MUST keep no more pairs of the subject than [`KEPT_PAIRS`](crate::domain::attempts::KEPT_PAIRS), and those that it
    /// names: callers may give any number of origins. A pair that is stopped no longer counts for the subject.
    async fn record_failure(
        &self,
        pair: &Pair,
        at: Timestamp,
        limit: &Backoff,
        event: &AuditEvent,
    ) -> Result<(), StoreError>;

    /// Lets the waits of the pair and of its subject that begin later than now begin now, under each of its keys: the clock
    /// was set back since, and they would not pass until it is there again. Changes no counts.
    async fn restart_waits(&self, pair: &Pair, now: Timestamp) -> Result<(), StoreError>;

    /// Forgets the pair's failures, and subtracts as many from the subject's.
    async fn forget_failures(&self, pair: &Pair) -> Result<(), StoreError>;

    /// The same for an administrator, under that authority: of a pair, or of all callers. Returns whether there were any.
    async fn clear_failures(&self, of: &Forget, authority: &Authority) -> Result<bool, StoreError>;

    /// The stored failures of each caller for the subject of the pair, in the order of the callers' keys.
    async fn pairs_with_failures(&self, subject: &Pair, page: &PageRequest) -> Result<Page<PairFailures>, StoreError>;
}
