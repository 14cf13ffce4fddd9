//! Moves stored hashes, and sealed secrets, to the key that wraps, while the service keeps running.

use std::collections::BTreeMap;
use std::time::Instant;

use super::KeyRing;
use crate::domain::names::PepperKeyId;
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::ports::store::{Generation, HashEntry, Replacement, SecretEntry, SecretReplacement, StoredHashes};
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
    /// Number of secrets that it sealed again.
    pub secrets: u64,
    /// Number of hashes and secrets that it had to leave, by problem.
    pub left: BTreeMap<String, u64>,
    /// The first of those, each with what it belongs to.
    pub examples: Vec<String>,
}

impl Rotated {
    /// More would not help.
    const EXAMPLES: usize = 10;

    fn leave(&mut self, problem: &PepperProblem, example: String) {
        *self.left.entry(problem.to_string()).or_default() += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(example);
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
                    self.pause(begun).await;
                }
            }
        }
        for purpose in SealPurpose::ALL {
            for key in keys.iter().filter_map(|(key, _)| key.as_ref()) {
                let mut after: Option<String> = None;
                loop {
                    let found = self.store.secrets_under(purpose, key, after.as_deref(), BATCH).await?;
                    let Some(last) = found.last() else { break };
                    after = Some(last.id.clone());
                    progress(found.len() as u64);
                    let begun = self.clock.instant();
                    self.replace_secrets(purpose, found, &mut rotated).await?;
                    self.pause(begun).await;
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
                Err(error) => rotated.leave(&error.problem, error.to_string()),
            }
        }
        if !replacements.is_empty() {
            rotated.rewrapped += self.store.replace_hashes(age, &replacements).await?;
        }
        Ok(())
    }

    async fn replace_secrets(
        &self,
        purpose: SealPurpose,
        found: Vec<SecretEntry>,
        rotated: &mut Rotated,
    ) -> Result<(), StoreError> {
        let mut replacements = Vec::with_capacity(found.len());
        for found in found {
            match self.reseal(purpose, &found) {
                Ok(secret) => replacements.push(SecretReplacement { found, secret }),
                Err(problem) => rotated.leave(&problem, format!("the secret of {purpose} {} {problem}", found.id)),
            }
        }
        if !replacements.is_empty() {
            rotated.secrets += self.store.replace_secrets(purpose, &replacements).await?;
        }
        Ok(())
    }

    /// Leaves waiting writers as much time as the batch took.
    async fn pause(&self, begun: Instant) {
        tokio::time::sleep(self.clock.instant().duration_since(begun)).await;
    }

    fn reseal(&self, purpose: SealPurpose, found: &SecretEntry) -> Result<Sealed, PepperProblem> {
        let secret = self.ring.unseal(purpose, &found.bound, &found.secret)?;
        self.ring.seal(purpose, &found.bound, &secret).ok_or(PepperProblem::CantWrap)
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
