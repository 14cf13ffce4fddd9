//! A digest of password and salt (RFC 2307's `{SSHA}`, and the same with SHA-256 and SHA-512), kept as
//! `$ssha$<salt>$<tag>`.

use base64::Engine as _;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::parts::{self, ANY_PADDING, UNPADDED, check_salt, check_tag, fields};
use super::sha::Sha;
use super::{Algorithm, Foreign, Read, Stored};
use crate::domain::hash_problem::HashPart;
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const MAX_SALT_BYTES: u64 = 64;

/// The hash function and the salt.
#[derive(Debug)]
pub(super) struct SaltedSha {
    hash: Sha,
    salt: Vec<u8>,
}

/// Base64 of tag and salt, as directories and Dovecot have it.
pub(super) fn base64(hash: Sha, text: &str) -> Read {
    tag_and_salt(hash, &parts::tag(text, &ANY_PADDING)?)
}

/// The same in hexadecimal, as Dovecot writes it on request.
pub(super) fn hexadecimal(hash: Sha, text: &str) -> Read {
    tag_and_salt(hash, &parts::hex_tag(text)?)
}

/// The normal form, after the name.
pub(super) fn normal(hash: Sha, text: &str) -> Read {
    let [salt, tag] = fields(text, '$', "`SALT$TAG`")?;
    stored(hash, parts::salt(salt, &UNPADDED)?, parts::tag(tag, &UNPADDED)?)
}

fn tag_and_salt(hash: Sha, bytes: &Tag) -> Read {
    let problem = HashPart::Tag.expected("a digest and a salt after it");
    let (tag, salt) = bytes.split_at_checked(hash.digest_bytes()).ok_or(problem)?;
    stored(hash, salt.to_vec(), Zeroizing::new(tag.to_vec()))
}

fn stored(hash: Sha, salt: Vec<u8>, tag: Tag) -> Read {
    check_salt(&salt, 1..=MAX_SALT_BYTES)?;
    let bytes = hash.digest_bytes() as u64;
    check_tag(&tag, bytes..=bytes)?;
    Ok(Stored::foreign(SaltedSha { hash, salt }, tag))
}

impl Foreign for SaltedSha {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(match self.hash {
            Sha::Sha1 => OptInAlgorithm::Ssha,
            Sha::Sha256 => OptInAlgorithm::Ssha256,
            Sha::Sha512 => OptInAlgorithm::Ssha512,
        })
    }

    fn parameters(&self) -> String {
        String::new()
    }

    fn written(&self, tag: &Tag) -> String {
        format!("${}${}${}", self.algorithm().name(), UNPADDED.encode(&self.salt), UNPADDED.encode(tag))
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        1
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        Ok(Zeroizing::new(match self.hash {
            Sha::Sha1 => digest::<Sha1>(password, &self.salt),
            Sha::Sha256 => digest::<Sha256>(password, &self.salt),
            Sha::Sha512 => digest::<Sha512>(password, &self.salt),
        }))
    }

    /// The salt has a known length, so the digest shows where the password ends.
    fn is_what_was_hashed(&self, _password: &[u8]) -> bool {
        true
    }
}

fn digest<H: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
    H::new().chain_update(password).chain_update(salt).finalize().to_vec()
}
