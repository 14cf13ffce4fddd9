//! What has to be done for a store once in a while.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::time::Timestamp;

/// Getting rid of what is over. Nobody goes by it any more, removed or not.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Removes some of the access tokens, client tokens, overlaps and wrong passwords that are over, and of what deletions of tenants and
    /// smaller settings left: few enough that nobody waits long, and
    /// so that nobody's work comes to nothing by it. Answers whether there may be more.
    async fn remove_old(&self, now: Timestamp) -> Result<bool, StoreError>;
}
