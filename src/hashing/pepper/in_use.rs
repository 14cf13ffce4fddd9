//! Checks whether a ring has the keys that a store needs.

use std::fmt;

use super::KeyRing;
use crate::domain::names::PepperKeyId;
use crate::ports::StoreError;
use crate::ports::store::{HashCount, StoredHashes};

/// Needs of a store that a ring does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unmet {
    /// The missing keys, each with the number of hashes and secrets that need it.
    pub missing: Vec<(PepperKeyId, HashCount)>,
    /// Number of hashes that are not wrapped, if wrapping is required.
    pub not_wrapped: u64,
}

impl std::error::Error for Unmet {}

impl fmt::Display for Unmet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self
            .missing
            .iter()
            .map(|(key, count)| format!("the pepper key {key} is missing: {} encrypted under it", stored(*count)));
        let not_wrapped = (self.not_wrapped > 0).then(|| {
            let hashes = HashCount { current: self.not_wrapped, ..HashCount::default() };
            format!("{} not encrypted, which pepper.required forbids", stored(hashes))
        });
        formatter.write_str(&missing.chain(not_wrapped).collect::<Vec<_>>().join("; "))
    }
}

/// As in "2 stored hashes and 1 secret are".
fn stored(count: HashCount) -> String {
    let some = |number: u64, one: &str, several: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {several}")),
    };
    let hashes = some(count.hashes(), "stored hash", "stored hashes");
    let parts: Vec<_> = hashes.into_iter().chain(some(count.secrets, "secret", "secrets")).collect();
    format!("{} {}", parts.join(" and "), if count.total() == 1 { "is" } else { "are" })
}

impl KeyRing {
    /// Returns everything at once that the store needs and the ring lacks. Counts hashes only if something is lacking.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn unmet(&self, store: &dyn StoredHashes) -> Result<Option<Unmet>, StoreError> {
        let mut unmet = Unmet::default();
        for key in store.keys_in_use().await? {
            let count = store.count_under(key.as_ref());
            match &key {
                Some(id) if self.has(id) => {}
                Some(id) if self.has_lost(id) => {
                    let (key, hashes) = (id.to_string(), count.await?.total());
                    tracing::warn!(key, hashes, "a pepper key is declared lost: reset the passwords under it");
                }
                Some(id) => unmet.missing.push((id.clone(), count.await?)),
                None if self.required => unmet.not_wrapped = count.await?.total(),
                None if self.current().is_some() => {
                    tracing::warn!("some stored hashes are not encrypted: run `credentiald pepper rewrap`");
                }
                None => {}
            }
        }
        Ok((unmet != Unmet::default()).then_some(unmet))
    }
}
