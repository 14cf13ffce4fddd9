//! The formats of stored hashes: how to parse each, what it costs, and how to compute it.
//!
//! New hashes are argon2 PHC strings. The others come from imports, in many forms: each is read into one normal form,
//! which is stored, within bounds that keep a hostile string from occupying a worker.

mod bcrypt;
mod caching_sha2;
mod firebase;
mod flask_security;
mod forms;
mod hmac;
mod md5_crypt;
pub(super) mod parts;
mod pbkdf2;
mod phpass;
mod salted_sha;
mod scram;
mod scrypt;
mod sha;
mod sha_crypt;
mod yescrypt;

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::cost::{Ceiling, Parameters};
use super::import_keys::ImportKeys;
use super::kernel::CantCompute;
use super::phc::{Phc, Recipe, Tag};
use crate::domain::credential::HashDigest;
use crate::domain::hash_problem::HashProblem;
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::domain::password_form::PasswordForm;
pub(super) use flask_security::Keyed;

/// A parsed stored hash. It is printed in its normal form, which is read as the same again.
pub(super) struct Stored {
    pub method: Method,
    tag: Tag,
}

/// What a hash is read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// What it may cost.
    pub ceiling: Ceiling,
    /// The keys of other systems.
    pub keys: &'a ImportKeys,
}

impl From<Ceiling> for Context<'static> {
    /// Without keys.
    fn from(ceiling: Ceiling) -> Self {
        Self { ceiling, keys: ImportKeys::NONE }
    }
}

/// What a reader of a form returns.
type Read = Result<Stored, HashProblem>;

/// Everything that determines a tag, apart from the password.
#[derive(Debug, Clone)]
pub(super) enum Method {
    Argon2(Recipe),
    Foreign(Arc<dyn Foreign>),
    /// Either of them, of something else than the password.
    Keyed(Arc<Keyed>),
}

/// An algorithm other than argon2.
#[derive(Debug, Clone, Copy)]
pub(super) enum Algorithm {
    /// One that is always imported, with its name.
    Usual(&'static str),
    /// One that is imported only where an operator allows it.
    OptIn(OptInAlgorithm),
}

impl Algorithm {
    /// Its name, as operators know it.
    const fn name(self) -> &'static str {
        match self {
            Self::Usual(name) => name,
            Self::OptIn(algorithm) => algorithm.as_str(),
        }
    }
}

/// A method other than argon2, with its parameters and its salt. Its bounds are checked when it is made.
pub(super) trait Foreign: fmt::Debug + Send + Sync {
    /// The algorithm.
    fn algorithm(&self) -> Algorithm;

    /// Its parameters, as operators know them.
    fn parameters(&self) -> String;

    /// The normal form of a hash with that tag.
    fn written(&self, tag: &Tag) -> String;

    /// Approximate time for one tag, as [`Method::work`].
    fn work(&self, password_bytes: usize) -> u64;

    /// Computes the tag as the method specifies it, which does not tell some passwords apart.
    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute>;

    /// Whether a password is the one that was hashed, given that its tag is right.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool;

    /// Whether the whole password is hashed. If a password is cut, its end may be anything, or missing.
    fn takes_all_of(&self, _password: &[u8]) -> bool {
        true
    }

    /// Whether it takes as much memory as a worker has.
    fn takes_memory(&self) -> bool {
        false
    }
}

impl dyn Foreign + '_ {
    /// Computes the tag. If another password has the same tag and this one is not the one that was hashed, returns an
    /// empty tag, which no password has. That takes the same time.
    pub(super) fn compute(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let mut tag = self.tag_of(password)?;
        if !self.is_what_was_hashed(password) {
            tag.clear();
        }
        Ok(tag)
    }
}

impl Stored {
    /// Reads a hash in any form that is known. What it costs is within the ceiling and the bounds of its algorithm.
    pub(super) fn parse<'a>(text: &str, context: impl Into<Context<'a>>) -> Result<Self, HashProblem> {
        forms::read(text, context.into())
    }

    fn argon2(phc: Phc) -> Self {
        let Phc { recipe, tag } = phc;
        Self { method: Method::Argon2(recipe), tag }
    }

    fn foreign(foreign: impl Foreign + 'static, tag: Tag) -> Self {
        Self { method: Method::Foreign(Arc::new(foreign)), tag }
    }

    /// Whether the tag is equal, in a time that does not depend on where it differs.
    pub(super) fn is_of(&self, tag: &Tag) -> bool {
        self.tag.as_slice().ct_eq(tag.as_slice()).into()
    }

    /// A digest of all of it but the tag.
    pub(super) fn digest(&self) -> HashDigest {
        let without_tag = Self { method: self.method.clone(), tag: Tag::default() };
        let [a, b, c, d, ..] = Sha256::digest(without_tag.to_string()).0;
        HashDigest(u32::from_be_bytes([a, b, c, d]))
    }

    /// Whether an engine that makes hashes like `today` may have made it.
    pub(super) fn is_like(&self, today: &Recipe) -> bool {
        match &self.method {
            Method::Argon2(recipe) => {
                let salt = today.salt.clone();
                recipe.salt.len() == salt.len() && Recipe { salt, ..recipe.clone() } == *today
            }
            Method::Foreign(_) | Method::Keyed(_) => false,
        }
    }

    /// Whether any part of it is weaker than in hashes like `today`.
    pub(super) fn is_weaker_than(&self, today: &Recipe) -> bool {
        let Method::Argon2(recipe) = &self.method else { return true };
        let (stored, now) = (recipe.parameters, today.parameters);
        recipe.algorithm != today.algorithm
            || u32::from(recipe.version) < u32::from(today.version)
            || stored.memory_kib < now.memory_kib
            || stored.iterations < now.iterations
            || stored.parallelism < now.parallelism
            || recipe.salt.len() < today.salt.len()
            || recipe.tag_bytes < today.tag_bytes
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Method::Argon2(recipe) => Phc { recipe: recipe.clone(), tag: self.tag.clone() }.fmt(formatter),
            Method::Foreign(foreign) => formatter.write_str(&foreign.written(&self.tag)),
            Method::Keyed(keyed) => {
                let then = Self { method: keyed.then.clone(), tag: self.tag.clone() };
                write!(formatter, "{}{then}", keyed.written())
            }
        }
    }
}

impl Method {
    /// Approximate time for one tag, in units of the time that argon2 takes to fill 1 KiB (about 1 µs).
    pub(super) fn work(&self, password_bytes: usize) -> u64 {
        match self {
            Self::Argon2(recipe) => recipe.parameters.work(),
            Self::Foreign(foreign) => foreign.work(password_bytes),
            Self::Keyed(keyed) => keyed.work(),
        }
    }

    /// The algorithm, if it is imported only where an operator allows it.
    pub(super) fn opt_in(&self) -> Option<OptInAlgorithm> {
        match self {
            Self::Argon2(_) => None,
            Self::Foreign(foreign) => match foreign.algorithm() {
                Algorithm::Usual(_) => None,
                Algorithm::OptIn(algorithm) => Some(algorithm),
            },
            Self::Keyed(_) => Some(OptInAlgorithm::FlaskSecurity),
        }
    }

    /// The form of a password that the system hashes unless it is told otherwise, if it is not the usual one.
    pub(super) fn own_form(&self) -> Option<PasswordForm> {
        match self {
            Self::Argon2(_) | Self::Foreign(_) => None,
            Self::Keyed(_) => Some(PasswordForm::Nfkd),
        }
    }

    /// The algorithm and its parameters, as operators know them.
    pub(super) fn description(&self) -> (&'static str, String) {
        match self {
            Self::Argon2(recipe) => {
                let Parameters { memory_kib, iterations, parallelism } = recipe.parameters;
                let version = u32::from(recipe.version);
                (recipe.algorithm.as_str(), format!("v={version},m={memory_kib},t={iterations},p={parallelism}"))
            }
            Self::Foreign(foreign) => (foreign.algorithm().name(), foreign.parameters()),
            Self::Keyed(keyed) => keyed.description(),
        }
    }

    /// Whether the whole password is hashed. If a password is cut, its end may be anything, or missing.
    pub(super) fn takes_all_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(_) | Self::Keyed(_) => true,
            Self::Foreign(foreign) => foreign.takes_all_of(password),
        }
    }
}

#[cfg(test)]
mod tests;
