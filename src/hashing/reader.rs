//! Hashes from elsewhere, as an engine would read them, without one.

use super::EngineSettings;
use super::cost::Ceiling;
use super::formats::Stored;
use crate::domain::credential::PasswordHash;
use crate::domain::hash_problem::HashProblem;
use crate::domain::opt_in_algorithm::AllowedAlgorithms;

/// Tells which hashes are imported.
#[derive(Debug, Clone, Copy)]
pub struct HashReader {
    ceiling: Ceiling,
    allowed: AllowedAlgorithms,
}

impl HashReader {
    /// A reader that imports what an engine with those settings imports.
    pub const fn of(settings: &EngineSettings) -> Self {
        Self::new(settings.ceiling, settings.allowed)
    }

    pub(super) const fn new(ceiling: Ceiling, allowed: AllowedAlgorithms) -> Self {
        Self { ceiling, allowed }
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// It is not imported.
    pub(super) fn read(&self, hash: &PasswordHash) -> Result<Stored, HashProblem> {
        let stored = Stored::parse(hash.expose(), self.ceiling)?;
        match stored.method.opt_in() {
            Some(algorithm) if !self.allowed.allows(algorithm) => Err(HashProblem::NotAllowed(algorithm)),
            _ => Ok(stored),
        }
    }

    /// Checks whether a hash is imported.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, hash: &PasswordHash) -> Result<(), HashProblem> {
        self.read(hash).map(drop)
    }
}

/// The algorithm of a hash, whether it is imported or not; `None` if it can't be read.
pub fn algorithm_of(hash: &PasswordHash) -> Option<&'static str> {
    match Stored::parse(hash.expose(), Ceiling::HIGHEST) {
        Ok(stored) => Some(stored.method.description().0),
        Err(HashProblem::NotSupported { algorithm, .. }) => Some(algorithm),
        Err(_) => None,
    }
}
