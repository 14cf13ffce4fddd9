//! What a store has to do in its own time.
//!
//! It is no part of anybody's change: those who write at the same time would then conflict over what concerns neither.

use async_trait::async_trait;

use super::{SqlStore, attempts, client_tokens, leftovers, overlaps, tokens};
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::store::Upkeep;

/// How many are removed in one transaction: they are gone in milliseconds.
pub(super) const AT_ONCE: i64 = 200;

#[async_trait]
impl Upkeep for SqlStore {
    async fn remove_old(&self, now: Timestamp) -> Result<bool, StoreError> {
        let removed = [
            self.in_turn(|transaction| Box::pin(client_tokens::remove_old(transaction, now))).await,
            self.in_turn(|transaction| Box::pin(attempts::remove_old(transaction, now))).await,
            self.in_turn(|transaction| Box::pin(overlaps::remove_old(transaction, now))).await,
            self.in_turn(|transaction| Box::pin(tokens::remove_old(transaction, now))).await,
        ];
        let left = self.in_turn(|transaction| Box::pin(leftovers::remove_some(transaction))).await;
        // Where one fails, the others have been done all the same.
        removed.into_iter().try_fold(left?, |more, count| Ok(more || is_full(count?)))
    }
}

/// Whether there may be more after so many.
pub(super) fn is_full(count: u64) -> bool {
    i64::try_from(count).is_ok_and(|count| count >= AT_ONCE)
}
