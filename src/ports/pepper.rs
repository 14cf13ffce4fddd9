//! The pepper, as the core sees it: stored hashes are worth nothing to whoever holds the store alone.

use crate::domain::credential::{PasswordHash, StoredHash, Version};
use crate::domain::names::PepperKeyId;
use crate::domain::subject::SubjectId;

/// Wraps hashes for the store, and opens what comes from there (NIST SP 800-63B-4 §3.1.1.2: an additional keyed operation,
/// with a key that is kept apart from the hashes).
pub trait Pepper: Send + Sync {
    /// Wraps a hash under today's key; without one it stays as it is. MUST bind it to the subject and the version: as
    /// another's it does not open.
    ///
    /// # Errors
    /// It can't be wrapped.
    fn wrap(&self, hash: &PasswordHash, subject: SubjectId, version: Version) -> Result<StoredHash, PepperError>;

    /// Opens a stored hash. MUST refuse one that was altered, or that was wrapped for another subject or version.
    ///
    /// # Errors
    /// It does not open, its key is not there, or it is not wrapped and had to be.
    fn open(&self, stored: &StoredHash, subject: SubjectId, version: Version) -> Result<PasswordHash, PepperError>;
}

/// Why a stored hash is not to be used. Names the subject for whoever has to look after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hash of subject {subject}, version {version}, {problem}")]
pub struct PepperError {
    /// Whose hash it is.
    pub subject: SubjectId,
    /// Of which version of the password.
    pub version: Version,
    /// What is wrong with it.
    pub problem: PepperProblem,
}

/// What is wrong with a stored hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PepperProblem {
    /// The ring has no such key.
    #[error("is wrapped under the pepper key {0}, which this process does not have")]
    KeyMissing(PepperKeyId),
    /// It was altered, or belongs to another subject or version, or the key of that id is another one.
    #[error("does not open under the pepper key {0}: it was altered or moved, or the key is another one of that id")]
    DoesNotOpen(PepperKeyId),
    /// It is not wrapped, and every hash has to be.
    #[error("is not wrapped, which pepper.required forbids")]
    NotWrapped,
    /// It could not be wrapped.
    #[error("can't be wrapped")]
    CantWrap,
}
