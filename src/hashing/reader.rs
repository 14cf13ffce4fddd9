//! Hashes from elsewhere, as an engine would read them, without one.

use std::sync::Arc;

use super::EngineSettings;
use super::cost::Ceiling;
use super::formats::{Context, Stored};
use super::import_keys::ImportKeys;
use crate::domain::credential::PasswordHash;
use crate::domain::hash_problem::HashProblem;
use crate::domain::opt_in_algorithm::AllowedAlgorithms;

/// Tells which hashes are imported.
#[derive(Debug, Clone)]
pub struct HashReader {
    ceiling: Ceiling,
    keys: Arc<ImportKeys>,
    allowed: AllowedAlgorithms,
}

impl HashReader {
    /// A reader that imports what an engine with those settings imports.
    pub fn of(settings: &EngineSettings) -> Self {
        Self { ceiling: settings.ceiling, keys: Arc::clone(&settings.import_keys), allowed: settings.allowed }
    }

    /// Parses a hash that is stored already, whether its algorithm is still imported or not.
    pub(super) fn stored(&self, hash: &PasswordHash) -> Result<Stored, HashProblem> {
        Stored::parse(hash.expose(), Context { ceiling: self.ceiling, keys: &self.keys })
    }

    /// Parses a hash from elsewhere.
    ///
    /// # Errors
    /// It is not imported.
    pub(super) fn imported(&self, hash: &PasswordHash) -> Result<Stored, HashProblem> {
        let stored = self.stored(hash)?;
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
        self.imported(hash).map(drop)
    }
}

/// The algorithm of a hash, whether it is imported or not; `None` if it can't be read.
pub fn algorithm_of(hash: &PasswordHash) -> Option<&'static str> {
    match Stored::parse(hash.expose(), Ceiling::HIGHEST) {
        Ok(stored) => Some(stored.method.description().0),
        Err(HashProblem::NotSupported { algorithm, .. }) => Some(algorithm),
        Err(HashProblem::KeyMissing(algorithm)) => Some(algorithm.as_str()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::HashDigest;

    const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg";
    const TAG: &str = "xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM";
    const BCRYPT: &str = "abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";

    #[test]
    fn a_digest_tells_how_a_hash_was_made_and_nothing_of_its_tag() {
        let digest = |text: &str| Stored::parse(text, Ceiling::HIGHEST).unwrap().digest();
        let other_tag = |text: &str| text.replace("xvTP", "AAAA").replace("qR2uu", "AAAAA");
        for (text, known) in [
            (format!("$argon2id$v=19$m=4096,t=3,p=1${SALT}${TAG}"), 0x203e_14c3),
            (format!("$2y$12${BCRYPT}"), 0x8635_b5b2),
            (format!("$pbkdf2-sha256$1000${SALT}${TAG}"), 0x1970_f321),
        ] {
            let other = other_tag(&text);
            assert!(
                other != text && digest(&text) == HashDigest(known) && digest(&other) == HashDigest(known),
                "{text}"
            );
        }
        let salted = |salt: &str| digest(&format!("$argon2id$v=19$m=4096,t=3,p=1${salt}${TAG}"));
        assert_ne!(salted(SALT), salted("MDEyMzQ1Njc4OWFiY2RlZQ"));
    }
}
