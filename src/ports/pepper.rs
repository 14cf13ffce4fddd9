//! The pepper, as the core sees it: without its keys, stored hashes are useless to an attacker who has only the store.

use crate::domain::credential::{PasswordHash, StoredHash, Version};
use crate::domain::names::PepperKeyId;
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::SubjectId;
use zeroize::Zeroizing;

/// Wraps hashes for the store, and opens stored hashes (NIST SP 800-63B-4 §3.1.1.2: an additional keyed operation, with
/// a key that is kept apart from the hashes).
pub trait Pepper: Send + Sync {
    /// Wraps a hash under today's key; without a key the hash stays as it is. MUST bind it to the subject and the
    /// version: it does not open for any other.
    ///
    /// # Errors
    /// It can't be wrapped.
    fn wrap(&self, hash: &PasswordHash, subject: SubjectId, version: Version) -> Result<StoredHash, PepperError>;

    /// Opens a stored hash. MUST refuse a hash that was altered, or that was wrapped for another subject or version.
    ///
    /// # Errors
    /// It does not open, its key is missing, or it is not wrapped although it has to be.
    fn open(&self, stored: &StoredHash, subject: SubjectId, version: Version) -> Result<PasswordHash, PepperError>;

    /// Seals a text under the key for that purpose of today's key, or returns `None` without a key: unlike a hash, such a
    /// text is never stored as it is. MUST bind it to `bound`: it does not open with any other.
    fn seal(&self, purpose: SealPurpose, bound: &str, text: &str) -> Option<Sealed>;

    /// Opens a sealed text. MUST refuse a text that was altered, or sealed for another purpose or with another `bound`.
    ///
    /// # Errors
    /// It does not open, or its key is missing.
    fn unseal(&self, purpose: SealPurpose, bound: &str, sealed: &Sealed) -> Result<Zeroizing<String>, PepperProblem>;
}

/// Why a stored hash can't be used. Names the subject for the operator who investigates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hash of subject {subject}, version {version}, {problem}")]
pub struct PepperError {
    /// The subject of the hash.
    pub subject: SubjectId,
    /// The version of the password.
    pub version: Version,
    /// What is wrong with it.
    pub problem: PepperProblem,
}

/// What is wrong with a stored hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PepperProblem {
    /// The ring has no key of that id.
    #[error("is encrypted under the pepper key {0}, which this process does not have")]
    KeyMissing(PepperKeyId),
    /// The ring declares the key of that id lost: it can never be opened again.
    #[error("is encrypted under the pepper key {0}, which is declared lost")]
    KeyLost(PepperKeyId),
    /// It was altered, or belongs to another subject or version, or the ring has a different key of that id.
    #[error(
        "can't be decrypted under the pepper key {0}: it was altered or moved, or the key is another one of that id"
    )]
    DoesNotOpen(PepperKeyId),
    /// It is not wrapped, and every hash has to be.
    #[error("is not encrypted, which pepper.required forbids")]
    NotWrapped,
    /// It could not be wrapped.
    #[error("can't be encrypted")]
    CantWrap,
}
