//! The hash chain over the audit log: shows whether an event was removed, altered, moved or inserted.
//!
//! Committed events get positions in ranges. The hash of a range covers the hash of the range before it, the range's
//! bounds and times, and each of its events, so the last hash covers all of them. A seal, a signature of the hash, can
//! be made only with the signing key.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::change_event::Position;
use super::names::FreeName;
use super::time::Timestamp;

/// The form of the hash of a range. Another form gets another text.
const RANGE: &[u8] = b"credentiald audit range 1";
const CHECKPOINT: &[u8] = b"credentiald audit checkpoint 1";
const CUT: &[u8] = b"credentiald audit cut 1";

/// An event as it is stored, as named texts: all that is stored of it but its position, whether or not this version of
/// the program can read it as an [`AuditEvent`](super::audit_event::AuditEvent).
pub type EventFields = BTreeMap<String, String>;

/// A hash of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

/// A signature of a hash of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The id of the key.
    pub key: FreeName,
    /// The signature.
    pub signature: Vec<u8>,
}

/// The end of a range of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The position of the range's first event.
    pub first: Position,
    /// The position of its last event.
    pub last: Position,
    /// When the range was closed.
    pub closed_at: Timestamp,
    /// The latest time of an event up to here: it never decreases along the chain.
    pub latest_at: Timestamp,
    /// The hash of the range.
    pub hash: ChainHash,
    /// The seal, if there was a signing key.
    pub seal: Option<Seal>,
}

impl Checkpoint {
    /// The hash of a range of events, in order, after a range with the hash `previous`.
    pub fn hash_of<'a>(&self, previous: ChainHash, events: impl IntoIterator<Item = &'a EventFields>) -> ChainHash {
        let mut hasher = Sha256::new();
        add(&mut hasher, RANGE);
        add(&mut hasher, &previous.0);
        hasher.update(self.first.0.to_be_bytes());
        hasher.update(self.last.0.to_be_bytes());
        hasher.update(self.closed_at.as_micros().to_be_bytes());
        hasher.update(self.latest_at.as_micros().to_be_bytes());
        for fields in events {
            hasher.update((fields.len() as u64).to_be_bytes());
            for (name, text) in fields {
                add(&mut hasher, name.as_bytes());
                add(&mut hasher, text.as_bytes());
            }
        }
        ChainHash(hasher.finalize().into())
    }

    /// The bytes that the seal signs.
    pub fn sealed_bytes(&self) -> Vec<u8> {
        [CHECKPOINT, &self.hash.0].concat()
    }
}

/// Where the kept part of the chain begins: all events up to here were removed because of their age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The position of the last removed event; 0 if none was removed.
    pub last: Position,
    /// The hash of the range that it ended. At the beginning of the log a random one, which identifies the chain.
    pub hash: ChainHash,
    /// The seal, if events were removed and there was a signing key.
    pub seal: Option<Seal>,
}

impl Cut {
    /// The bytes that the seal signs.
    pub fn sealed_bytes(&self) -> Vec<u8> {
        [CUT, &self.last.0.to_be_bytes(), &self.hash.0].concat()
    }
}

/// Adds bytes with their length, so that no two lists of parts are the same bytes.
fn add(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// What a seal is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealVerdict {
    /// Made with a known key over these bytes.
    Valid,
    /// Not of these bytes.
    Invalid,
    /// Made with a key that is not known here.
    UnknownKey,
    /// No keys were given to check it with.
    Unchecked,
}

/// What is wrong with a chain, at the first place where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// The beginning is not sealed by the service.
    #[error("the beginning of the log, after position {0}, has no valid signature: events before it may be missing")]
    Beginning(u64),
    /// A range is not what was recorded.
    #[error("the range of positions {first} to {last}: {problem}")]
    Range {
        /// The first position.
        first: u64,
        /// The last position.
        last: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The end of the chain is not signed, although keys were given.
    #[error("nothing after position {0} is signed")]
    Unsigned(u64),
}

/// Checks a chain, range by range.
pub struct ChainCheck<F> {
    verdict: F,
    /// After this position everything must be sealed; `None` if there are no keys to check seals with.
    sealed_after: Option<Position>,
    /// The end of what was checked.
    pub last: Position,
    /// The hash there.
    pub hash: ChainHash,
    /// The last position that a valid seal covers.
    pub sealed: Position,
    /// How many events were checked.
    pub events: u64,
    /// How many ranges were checked.
    pub ranges: u64,
}

impl<F: Fn(&[u8], &Seal) -> SealVerdict> ChainCheck<F> {
    /// Begins after a cut. A seal does not prove what is before it: the service signs on top of what the store holds. So
    /// with keys each range and each cut needs a seal of its own, after the position `sealed_after`.
    ///
    /// # Errors
    /// Its seal is missing or not valid.
    pub fn after(cut: &Cut, sealed_after: Option<Position>, verdict: F) -> Result<Self, BrokenChain> {
        let verdict_of_cut = cut.seal.as_ref().map(|seal| verdict(&cut.sealed_bytes(), seal));
        let is_good = match verdict_of_cut {
            Some(verdict) => matches!(verdict, SealVerdict::Valid | SealVerdict::Unchecked),
            // Nothing was removed from the beginning of the log.
            None => cut.last == Position(0) || sealed_after.is_none_or(|after| cut.last <= after),
        };
        if !is_good {
            return Err(BrokenChain::Beginning(cut.last.0));
        }
        let sealed = if verdict_of_cut == Some(SealVerdict::Valid) { cut.last } else { Position(0) };
        Ok(Self { verdict, sealed_after, last: cut.last, hash: cut.hash, sealed, events: 0, ranges: 0 })
    }

    /// Checks the next range with its events.
    ///
    /// # Errors
    /// It does not continue the chain.
    pub fn range(&mut self, checkpoint: &Checkpoint, events: &[(Position, EventFields)]) -> Result<(), BrokenChain> {
        let Checkpoint { first, last, .. } = *checkpoint;
        let broken = |problem| Err(BrokenChain::Range { first: first.0, last: last.0, problem });
        if first.0 != self.last.0 + 1 || last < first {
            return broken("does not follow the range before it");
        }
        let in_place = events.iter().zip(first.0..).all(|((position, _), expected)| position.0 == expected);
        if !in_place || events.len() as u64 != last.0 - first.0 + 1 {
            return broken("an event is missing, added or moved");
        }
        if checkpoint.hash_of(self.hash, events.iter().map(|(_, fields)| fields)) != checkpoint.hash {
            return broken("an event or the checkpoint was altered");
        }
        match checkpoint.seal.as_ref().map(|seal| (self.verdict)(&checkpoint.sealed_bytes(), seal)) {
            Some(SealVerdict::Invalid) => return broken("the signature is not valid"),
            Some(SealVerdict::UnknownKey) => return broken("the signature is of a key that was not given"),
            Some(SealVerdict::Valid) => self.sealed = last,
            None if self.sealed_after.is_some_and(|after| last > after) => return broken("has no signature"),
            Some(SealVerdict::Unchecked) | None => {}
        }
        (self.last, self.hash) = (last, checkpoint.hash);
        (self.events, self.ranges) = (self.events + events.len() as u64, self.ranges + 1);
        Ok(())
    }

    /// Ends the check. With keys, the last range must be sealed.
    ///
    /// # Errors
    /// It is not.
    pub fn end(self) -> Result<Self, BrokenChain> {
        let has_keys = self.sealed_after.is_some();
        if has_keys && self.sealed < self.last { Err(BrokenChain::Unsigned(self.sealed.0)) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests;
