//! The formats of stored hashes: how to parse each, what it costs, and how to compute it.
//!
//! New hashes are argon2 PHC strings. The others come from imports; each is parsed as strictly, within bounds that keep
//! a hostile string from occupying a worker.

mod bcrypt;
mod hmac;
mod parts;
mod pbkdf2;
mod scrypt;
mod sha_crypt;

use subtle::ConstantTimeEq;

pub(super) use self::parts::decimal;

use self::bcrypt::Bcrypt;
use self::pbkdf2::Pbkdf2;
use self::scrypt::Scrypt;
use self::sha_crypt::ShaCrypt;
use super::cost::{Ceiling, Parameters};
use super::kernel::CantCompute;
use super::phc::{Phc, Recipe, Tag};

/// Longer than any string that is accepted.
const MAX_STRING_BYTES: usize = 256;

/// A parsed stored hash.
pub(super) struct Stored {
    pub method: Method,
    tag: Tag,
}

/// Everything that determines a tag, apart from the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    Argon2(Recipe),
    Foreign(Foreign),
}

/// A method other than argon2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Foreign {
    Bcrypt(Bcrypt),
    Pbkdf2(Pbkdf2),
    Scrypt(Scrypt),
    ShaCrypt(ShaCrypt),
}

impl Stored {
    /// Parses a string whose cost is within its format's bounds. The error is a fixed text that says why it is refused.
    pub(super) fn parse(text: &str, ceiling: Ceiling) -> Result<Self, &'static str> {
        if text.len() > MAX_STRING_BYTES {
            return Err("it is too long");
        }
        let (identifier, rest) = text
            .strip_prefix('$')
            .and_then(|text| text.split_once('$'))
            .ok_or("it is neither a PHC string nor a crypt string")?;
        let (foreign, tag) = match identifier {
            "argon2id" | "argon2i" | "argon2d" => {
                let Phc { recipe, tag } = Phc::parse(text, ceiling)?;
                return Ok(Self { method: Method::Argon2(recipe), tag });
            }
            "2a" | "2b" | "2y" => Bcrypt::parse(rest).map(|(read, tag)| (Foreign::Bcrypt(read), tag))?,
            "scrypt" => Scrypt::parse(rest, ceiling).map(|(read, tag)| (Foreign::Scrypt(read), tag))?,
            "pbkdf2-sha256" | "pbkdf2-sha512" => {
                Pbkdf2::parse(identifier, rest).map(|(read, tag)| (Foreign::Pbkdf2(read), tag))?
            }
            "5" | "6" => ShaCrypt::parse(identifier, rest).map(|(read, tag)| (Foreign::ShaCrypt(read), tag))?,
            _ => return Err("its algorithm is unknown"),
        };
        Ok(Self { method: Method::Foreign(foreign), tag })
    }

    /// Whether the tag is equal, in a time that does not depend on where it differs.
    pub(super) fn is_of(&self, tag: &Tag) -> bool {
        self.tag.as_slice().ct_eq(tag.as_slice()).into()
    }

    /// Whether an engine that makes hashes like `today` may have made it.
    pub(super) fn is_like(&self, today: &Recipe) -> bool {
        match &self.method {
            Method::Argon2(recipe) => {
                let salt = today.salt.clone();
                recipe.salt.len() == salt.len() && Recipe { salt, ..recipe.clone() } == *today
            }
            Method::Foreign(_) => false,
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

impl Method {
    /// Approximate time for one tag, in units of the time that argon2 takes to fill 1 KiB (about 1 µs).
    pub(super) fn work(&self, password_bytes: usize) -> u64 {
        match self {
            Self::Argon2(recipe) => recipe.parameters.work(),
            Self::Foreign(Foreign::Bcrypt(bcrypt)) => bcrypt.work(),
            Self::Foreign(Foreign::Pbkdf2(pbkdf2)) => pbkdf2.work(),
            Self::Foreign(Foreign::Scrypt(scrypt)) => scrypt.work(),
            Self::Foreign(Foreign::ShaCrypt(sha_crypt)) => sha_crypt.work(password_bytes),
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
            Self::Foreign(Foreign::Bcrypt(bcrypt)) => ("bcrypt", bcrypt.parameters()),
            Self::Foreign(Foreign::Pbkdf2(pbkdf2)) => (pbkdf2.name(), pbkdf2.parameters()),
            Self::Foreign(Foreign::Scrypt(scrypt)) => ("scrypt", scrypt.parameters()),
            Self::Foreign(Foreign::ShaCrypt(sha_crypt)) => (sha_crypt.name(), sha_crypt.parameters()),
        }
    }

    /// Whether the whole password is hashed. If a password is cut, its end may be anything, or missing.
    pub(super) fn takes_all_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Foreign(Foreign::Bcrypt(_)) => Bcrypt::takes_all_of(password),
            Self::Argon2(_) | Self::Foreign(Foreign::Pbkdf2(_) | Foreign::Scrypt(_) | Foreign::ShaCrypt(_)) => true,
        }
    }
}

impl Foreign {
    /// Computes the tag. If another password has the same tag and this one is not the one that was hashed, returns an
    /// empty tag, which no password has. That takes the same time.
    pub(super) fn compute(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let mut tag = self.compute_any(password)?;
        if !self.is_what_was_hashed(password) {
            tag.clear();
        }
        Ok(tag)
    }

    /// Computes the tag as the method specifies it, which does not tell some passwords apart.
    fn compute_any(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        match self {
            Self::Bcrypt(bcrypt) => Ok(bcrypt.compute(password)),
            Self::Pbkdf2(pbkdf2) => Ok(pbkdf2.compute(password)),
            Self::Scrypt(scrypt) => scrypt.compute(password),
            Self::ShaCrypt(sha_crypt) => sha_crypt.compute(password),
        }
    }

    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(_) => Bcrypt::is_what_was_hashed(password),
            Self::Pbkdf2(pbkdf2) => pbkdf2.is_what_was_hashed(password),
            Self::Scrypt(_) => Scrypt::is_what_was_hashed(password),
            Self::ShaCrypt(_) => ShaCrypt::is_what_was_hashed(password),
        }
    }

    /// Whether it takes as much memory as a worker has.
    pub(super) fn takes_memory(&self) -> bool {
        match self {
            Self::Scrypt(_) => true,
            Self::Bcrypt(_) | Self::Pbkdf2(_) | Self::ShaCrypt(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
