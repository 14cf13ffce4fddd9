//! Maintenance that a store does in its own time.
//!
//! It is not part of any caller's change: concurrent writers would then conflict over rows that concern neither.

use std::time::Duration;

use async_trait::async_trait;

use super::transact::Write;
use super::{SqlStore, attempts, client_tokens, leftovers, overlaps, tokens};
use crate::domain::attempts::STOPPED_FOR;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::Upkeep;

/// Maximum number of rows to remove in one transaction: removing them takes milliseconds.
pub(super) const AT_ONCE: i64 = 200;

#[async_trait]
impl Upkeep for SqlStore {
    async fn remove_old(&self, now: Timestamp) -> Result<bool, StoreError> {
        let removed = [
            self.upkeep(StoreWork::RemoveClientTokens)
                .run(|transaction| Box::pin(client_tokens::remove_old(transaction, now)))
                .await,
            self.upkeep(StoreWork::RemoveOverlaps)
                .run(|transaction| Box::pin(overlaps::remove_old(transaction, now)))
                .await,
            self.upkeep(StoreWork::RemoveAccessTokens)
                .run(|transaction| Box::pin(tokens::remove_old(transaction, now)))
                .await,
        ];
        let left = self
            .upkeep(StoreWork::RemoveLeftovers)
            .run(|transaction| Box::pin(leftovers::remove_some(transaction)))
            .await;
        // If one fails, the others have still run.
        removed.into_iter().try_fold(left?, |more, count| Ok(more || is_full(count?)))
    }

    async fn remove_old_failures(&self, now: Timestamp, counted_for: Duration) -> Result<bool, StoreError> {
        let mut more = false;
        for (work, stopped, before) in [
            (StoreWork::RemoveFailures, false, now.before(counted_for)),
            (StoreWork::RemoveStops, true, now.before(STOPPED_FOR)),
        ] {
            let removal = self.upkeep(work);
            more |=
                is_full(removal.run(|transaction| Box::pin(attempts::remove_old(transaction, stopped, before))).await?);
        }
        Ok(more)
    }

    async fn remove_spent_nonces(&self, now: Timestamp) -> Result<bool, StoreError> {
        let removal = self.upkeep(StoreWork::RemoveSpentNonces);
        removal.run(|transaction| Box::pin(tokens::remove_spent_nonces(transaction, now))).await.map(is_full)
    }
}

impl SqlStore {
    /// A write that takes turns with its like, and is done again soon anyway.
    pub(super) const fn upkeep(&self, work: StoreWork) -> Write<'_> {
        self.write(work).in_turn().once()
    }
}

/// Whether there may be more after a batch of this size.
pub(super) fn is_full(count: u64) -> bool {
    i64::try_from(count).is_ok_and(|count| count >= AT_ONCE)
}
