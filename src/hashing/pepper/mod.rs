//! The pepper: hashes are encrypted before they are stored, under a ring of keys that the store never sees. Keys derived
//! from these encrypt denials.

mod denial;
mod in_force;
mod in_use;
mod key;
mod parse;
mod rotation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::domain::credential::{PasswordHash, StoredHash, Version};
use crate::domain::names::PepperKeyId;
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::SubjectId;
use crate::ports::{Entropy, Pepper, PepperError, PepperProblem};
use key::{Bound, PepperKey};
use zeroize::Zeroizing;

pub use in_force::RingInForce;
pub use in_use::Unmet;
pub use key::new_key;
pub use parse::{LineProblem, RingMistake};
pub use rotation::{Rotated, Rotation};

/// The keys of the pepper. The first one wraps; the others only open. Without a key, hashes are stored as they are.
///
/// The keys can't be printed, and are wiped when the ring is dropped.
pub struct KeyRing {
    keys: Vec<PepperKey>,
    lost: Vec<PepperKeyId>,
    required: bool,
    entropy: Arc<dyn Entropy>,
}

impl KeyRing {
    /// Parses a ring: a line `id:key` for each key, which is 32 bytes in base64, or `id:lost` for a key that no longer
    /// exists. Ignores empty lines and lines that begin with `#`.
    ///
    /// # Errors
    /// Every mistake, with its line number; no message contains any part of a key.
    pub fn parse(text: &str, entropy: Arc<dyn Entropy>) -> Result<Self, Vec<RingMistake>> {
        let (keys, lost) = parse::keys(text)?;
        Ok(Self { keys, lost, required: false, entropy })
    }

    /// The same ring, which refuses hashes that are not wrapped if `required` is set: an attacker who can write to the
    /// store then cannot replace a wrapped hash with one of their own.
    #[must_use]
    pub fn requiring_wrapped(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    /// The key that wraps, if any.
    pub fn current(&self) -> Option<&PepperKeyId> {
        self.ids().next()
    }

    /// Whether it has the key with that id.
    pub fn has(&self, id: &PepperKeyId) -> bool {
        self.ids().any(|of_key| of_key == id)
    }

    /// Whether it lists the key with that id as lost.
    pub fn has_lost(&self, id: &PepperKeyId) -> bool {
        self.lost.contains(id)
    }

    /// All keys, the one that wraps first.
    pub fn ids(&self) -> impl Iterator<Item = &PepperKeyId> {
        self.keys.iter().map(PepperKey::id)
    }

    fn key(&self, id: &PepperKeyId) -> Result<&PepperKey, PepperProblem> {
        let absent = if self.has_lost(id) { PepperProblem::KeyLost } else { PepperProblem::KeyMissing };
        self.keys.iter().find(|key| key.id() == id).ok_or_else(|| absent(id.clone()))
    }
}

impl Pepper for KeyRing {
    fn wrap(&self, hash: &PasswordHash, subject: SubjectId, version: Version) -> Result<StoredHash, PepperError> {
        let Some(key) = self.keys.first() else {
            return Ok(StoredHash::new(None, hash.expose().to_owned()));
        };
        let text = key.wrap(hash.expose(), Bound { subject, version }, self.entropy.as_ref());
        let text = text.ok_or(PepperError { subject, version, problem: PepperProblem::CantWrap })?;
        Ok(StoredHash::new(Some(key.id().clone()), text))
    }

    fn open(&self, stored: &StoredHash, subject: SubjectId, version: Version) -> Result<PasswordHash, PepperError> {
        let opened = match stored.key() {
            None if self.required => Err(PepperProblem::NotWrapped),
            None => Ok(stored.expose().to_owned()),
            Some(id) => self.key(id).and_then(|key| {
                let opened = key.open(stored.expose(), Bound { subject, version });
                opened.ok_or_else(|| PepperProblem::DoesNotOpen(id.clone()))
            }),
        };
        opened.map(PasswordHash::new).map_err(|problem| PepperError { subject, version, problem })
    }

    fn seal(&self, purpose: SealPurpose, bound: &str, text: &str) -> Option<Sealed> {
        let key = self.keys.first()?;
        let sealed = key.seal(purpose, bound, text, self.entropy.as_ref())?;
        Some(Sealed::new(key.id().clone(), sealed))
    }

    fn unseal(&self, purpose: SealPurpose, bound: &str, sealed: &Sealed) -> Result<Zeroizing<String>, PepperProblem> {
        let id = sealed.key();
        self.key(id)?.unseal(purpose, bound, sealed.expose()).ok_or_else(|| PepperProblem::DoesNotOpen(id.clone()))
    }
}
