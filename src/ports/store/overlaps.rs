//! What rotating a password without an outage needs of the store.

use std::time::Duration;

use async_trait::async_trait;

use super::{Authority, StoreError};
use crate::domain::credential::Version;
use crate::domain::overlap::{OverlapState, PasswordUse};
use crate::domain::subject::SubjectId;

/// Overlaps, and the uses of passwords that are noted for their sake. Ended, an overlap MUST NOT leave a hash behind that
/// the history does not need.
#[async_trait]
pub trait Overlaps: Send + Sync {
    /// Sets how long the overlaps of a subject are, shortens the one that runs to that, and ends it where it is over by
    /// then. Answers whether there is such a subject.
    async fn set_overlap(
        &self,
        subject: SubjectId,
        length: Duration,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Ends the overlap that runs. Answers whether there is such a subject.
    async fn end_overlap(&self, subject: SubjectId, authority: &Authority) -> Result<bool, StoreError>;

    /// What is known of a subject's passwords, or `None` where there is no such subject. Their uses are those of the last
    /// so many callers.
    async fn overlap(&self, subject: SubjectId, callers: u32) -> Result<Option<OverlapState>, StoreError>;

    /// Notes that a password of a subject was used. MUST write nothing where the same was noted within the last
    /// [`NOTED_EVERY`](crate::domain::overlap::NOTED_EVERY), or where the version is neither the current one nor the one
    /// before.
    async fn note_use(&self, subject: SubjectId, version: Version, used: &PasswordUse) -> Result<(), StoreError>;
}
