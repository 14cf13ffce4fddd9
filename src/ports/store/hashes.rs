//! What the keeping of the pepper's keys needs of the store.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::credential::{StoredHash, Version};
use crate::domain::names::PepperKeyId;
use crate::domain::subject::SubjectId;

/// Every stored hash, whoever's it is, by the key that it is wrapped under. `None` stands for those that are not wrapped.
#[async_trait]
pub trait StoredHashes: Send + Sync {
    /// The keys that hashes are wrapped under. MUST NOT read every hash for that.
    async fn keys_in_use(&self) -> Result<BTreeSet<Option<PepperKeyId>>, StoreError>;

    /// How many hashes are wrapped under that key.
    async fn count_under(&self, key: Option<&PepperKeyId>) -> Result<HashCount, StoreError>;

    /// Hashes of that age that are wrapped under that key, in the order of their places: those after `after`, at most
    /// `limit`.
    async fn hashes_under(
        &self,
        age: Generation,
        key: Option<&PepperKeyId>,
        after: Option<(SubjectId, Version)>,
        limit: u32,
    ) -> Result<Vec<HashEntry>, StoreError>;

    /// Replaces hashes of that age in one transaction, each where what is stored is still what was read: whatever was
    /// written in between stays. Answers how many were replaced. MUST leave versions as they are.
    async fn replace_hashes(&self, age: Generation, replacements: &[Replacement]) -> Result<u64, StoreError>;
}

/// Whose password's hash: the one that is valid, or those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Of the current passwords.
    Current,
    /// Of the passwords before.
    Earlier,
}

impl Generation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Current, Self::Earlier];
}

/// A stored hash with its place; in any other it does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashEntry {
    /// Whose.
    pub subject: SubjectId,
    /// Of which version.
    pub version: Version,
    /// The hash.
    pub hash: StoredHash,
}

/// The same hash in another wrapping.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// What is replaced.
    pub found: HashEntry,
    /// By what.
    pub hash: StoredHash,
}

/// How many hashes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HashCount {
    /// Of current passwords.
    pub current: u64,
    /// Of the passwords before.
    pub earlier: u64,
}

impl HashCount {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.current.saturating_add(self.earlier)
    }
}
