//! What rotating a password without an outage needs from the store.

use std::time::Duration;

use async_trait::async_trait;

use super::{Authority, StoreError};
use crate::domain::credential::Version;
use crate::domain::overlap::{OverlapState, PasswordUse};
use crate::domain::subject::SubjectId;

/// Overlaps, and the uses of passwords that are noted for them. An overlap that ends MUST NOT leave a hash behind that
/// the history does not need.
#[async_trait]
pub trait Overlaps: Send + Sync {
    /// Sets the length of a subject's overlaps, shortens the current overlap to that length, and ends it if it is over
    /// by then. Returns whether the subject exists.
    async fn set_overlap(
        &self,
        subject: SubjectId,
        length: Duration,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Ends the current overlap. Returns whether the subject exists.
    async fn end_overlap(&self, subject: SubjectId, authority: &Authority) -> Result<bool, StoreError>;

    /// What is known of a subject's passwords, or `None` if the subject does not exist. Their uses are those of the
    /// last `callers` callers.
    async fn overlap(&self, subject: SubjectId, callers: u32) -> Result<Option<OverlapState>, StoreError>;

    /// Notes that a password of a subject was used. MUST write nothing if the same use was noted within the last
    /// [`NOTED_EVERY`](crate::domain::overlap::NOTED_EVERY), or if the version is neither the current one nor the one
    /// before.
    async fn note_use(&self, subject: SubjectId, version: Version, used: &PasswordUse) -> Result<(), StoreError>;
}
