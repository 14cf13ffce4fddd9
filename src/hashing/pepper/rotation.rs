//! Moves stored hashes to the key that wraps, while the service keeps running.

use std::collections::BTreeMap;

use super::KeyRing;
use crate::domain::names::PepperKeyId;
use crate::ports::store::{Generation, HashEntry, Replacement, StoredHashes};
use crate::ports::{Clock, Pepper, PepperError, PepperProblem, StoreError};

/// Number of hashes replaced in one transaction: few enough that waiting writers hardly notice.
const BATCH: u32 = 500;

/// Re-wraps stored hashes. Finished work stays done, so an interrupted rotation is simply run again.
pub struct Rotation<'a> {
    ring: &'a KeyRing,
    store: &'a dyn StoredHashes,
    clock: &'a dyn Clock,
}

/// Result of a rotation.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Number of hashes that it re-wrapped, without those that another writer wrote in the meantime.
    pub rewrapped: u64,
    /// Number of hashes that it had to leave, by problem.
    pub left: BTreeMap<String, u64>,
    /// The first of those, each with its subject.
    pub examples: Vec<PepperError>,
}

impl Rotated {
    /// More would not help.
    const EXAMPLES: usize = 10;

    fn leave(&mut self, error: PepperError) {
        *self.left.entry(error.problem.to_string()).or_default() += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(error);
        }
    }
}

impl<'a> Rotation<'a> {
    /// A rotation of that store's hashes to the first key of the ring.
    pub fn new(ring: &'a KeyRing, store: &'a dyn StoredHashes, clock: &'a dyn Clock) -> Self {
        Self { ring, store, clock }
    }

    /// The keys to move hashes from, each with its number of hashes.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn ahead(&self) -> Result<Vec<(Option<PepperKeyId>, u64)>, StoreError> {
        let mut ahead = Vec::new();
        for key in self.store.keys_in_use().await? {
            if key.as_ref() != self.ring.current() {
                let count = self.store.count_under(key.as_ref()).await?.total();
                ahead.push((key, count));
            }
        }
        Ok(ahead)
    }

    /// Moves all hashes in batches, and reports the size of each batch to `progress`.
    ///
    /// Current hashes come first: a password change meanwhile moves an old one to the earlier hashes, which are
    /// processed later.
    ///
    /// # Errors
    /// The store does not answer; finished work stays done.
    pub async fn run(&self, mut progress: impl FnMut(u64)) -> Result<Rotated, StoreError> {
        let mut rotated = Rotated::default();
        let keys = self.ahead().await?;
        for age in Generation::ALL {
            for (key, _) in &keys {
                let mut after = None;
                loop {
                    let found = self.store.hashes_under(age, key.as_ref(), after, BATCH).await?;
                    let Some(last) = found.last() else { break };
                    after = Some((last.subject, last.version));
                    progress(found.len() as u64);
                    let begun = self.clock.instant();
                    self.replace(age, found, &mut rotated).await?;
                    // Leave waiting writers as much time as the batch took.
                    tokio::time::sleep(self.clock.instant().duration_since(begun)).await;
                }
            }
        }
        Ok(rotated)
    }

    async fn replace(&self, age: Generation, found: Vec<HashEntry>, rotated: &mut Rotated) -> Result<(), StoreError> {
        let mut replacements = Vec::with_capacity(found.len());
        for entry in found {
            match self.rewrap(entry) {
                Ok(replacement) => replacements.push(replacement),
                Err(error) => rotated.leave(error),
            }
        }
        if !replacements.is_empty() {
            rotated.rewrapped += self.store.replace_hashes(age, &replacements).await?;
        }
        Ok(())
    }

    fn rewrap(&self, found: HashEntry) -> Result<Replacement, PepperError> {
        let HashEntry { subject, version, hash } = &found;
        let opened = self.ring.open(hash, *subject, *version)?;
        let hash = self.ring.wrap(&opened, *subject, *version)?;
        match hash.key() {
            Some(_) => Ok(Replacement { found, hash }),
            None => Err(PepperError { subject: *subject, version: *version, problem: PepperProblem::CantWrap }),
        }
    }
}
