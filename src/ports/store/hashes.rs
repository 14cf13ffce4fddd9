//! What the management of the pepper's keys needs from the store.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::credential::{StoredHash, Version};
use crate::domain::names::PepperKeyId;
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::SubjectId;

/// All stored hashes of all subjects, and all sealed texts (secrets), by the pepper key that they are wrapped under. `None`
/// means hashes that are not wrapped.
#[async_trait]
pub trait StoredHashes: Send + Sync {
    /// The keys that hashes or secrets are wrapped under. MUST NOT read every hash to find them.
    async fn keys_in_use(&self) -> Result<BTreeSet<Option<PepperKeyId>>, StoreError>;

    /// How many hashes and secrets are wrapped under that key.
    async fn count_under(&self, key: Option<&PepperKeyId>) -> Result<HashCount, StoreError>;

    /// Hashes of that generation that are wrapped under that key, in the order of their places: those after `after`, at
    /// most `limit`.
    async fn hashes_under(
        &self,
        age: Generation,
        key: Option<&PepperKeyId>,
        after: Option<(SubjectId, Version)>,
        limit: u32,
    ) -> Result<Vec<HashEntry>, StoreError>;

    /// Replaces hashes of that generation in one transaction, each only if the stored hash is still the one that was
    /// read: a hash written in between stays. Returns how many were replaced. MUST leave versions as they are.
    async fn replace_hashes(&self, age: Generation, replacements: &[Replacement]) -> Result<u64, StoreError>;

    /// Secrets for that purpose that are sealed under that key, in the order of their ids: those after `after`, at most
    /// `limit`.
    async fn secrets_under(
        &self,
        purpose: SealPurpose,
        key: &PepperKeyId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SecretEntry>, StoreError>;

    /// Replaces secrets in one transaction, each only if it is still the one that was read. Returns how many were replaced.
    async fn replace_secrets(
        &self,
        purpose: SealPurpose,
        replacements: &[SecretReplacement],
    ) -> Result<u64, StoreError>;
}

/// Which password the hash is of: the current one, or an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Hashes of current passwords.
    Current,
    /// Hashes of earlier passwords.
    Earlier,
}

impl Generation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Current, Self::Earlier];
}

/// A stored hash with its place; it does not open in any other place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashEntry {
    /// The subject.
    pub subject: SubjectId,
    /// The version.
    pub version: Version,
    /// The hash.
    pub hash: StoredHash,
}

/// The same hash in another wrapping.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The hash that is replaced.
    pub found: HashEntry,
    /// The replacement.
    pub hash: StoredHash,
}

/// A sealed text with its place; it does not open in any other place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretEntry {
    /// The id of what it belongs to.
    pub id: String,
    /// What it is bound to.
    pub bound: String,
    /// The text.
    pub secret: Sealed,
}

/// The same secret under another key.
#[derive(Debug, Clone)]
pub struct SecretReplacement {
    /// The secret that is replaced.
    pub found: SecretEntry,
    /// The replacement.
    pub secret: Sealed,
}

/// How many hashes and secrets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HashCount {
    /// Hashes of current passwords.
    pub current: u64,
    /// Hashes of earlier passwords.
    pub earlier: u64,
    /// Secrets: of access keys, and of the delivery to nodes.
    pub secrets: u64,
}

impl HashCount {
    /// The number of hashes of that generation.
    pub const fn of(&mut self, age: Generation) -> &mut u64 {
        match age {
            Generation::Current => &mut self.current,
            Generation::Earlier => &mut self.earlier,
        }
    }

    /// The number of hashes.
    pub const fn hashes(self) -> u64 {
        self.current.saturating_add(self.earlier)
    }

    /// The number of all.
    pub const fn total(self) -> u64 {
        self.hashes().saturating_add(self.secrets)
    }
}
