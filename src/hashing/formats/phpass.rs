//! phpass, "portable hashes" (Openwall): `$P$B<salt><tag>`, also as `$H$` by phpBB, with MD5; and `$S$D<salt><tag>` of
//! Drupal 7, with SHA-512.

use md5::{Digest, Md5};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::parts::{crypt_characters, crypt_digit, crypt_text, text_tag};
use super::{Algorithm, Foreign, Read, Stored};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const SALT_CHARACTERS: usize = 8;
/// A million iterations, about a second.
const MAX_LOG2: u64 = 20;

/// The variant, the number of iterations and the salt.
#[derive(Debug)]
pub(super) struct Phpass {
    variant: Variant,
    log2: u32,
    salt: String,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Portable,
    Drupal7,
}

/// `B<salt><tag>`: one character for the binary logarithm of the iterations, and no separators. Keeps the tag as its
/// text, which Drupal cuts.
pub(super) fn crypt(variant: Variant, text: &str) -> Read {
    let (log2, rest) = text.split_at_checked(1).ok_or(HashPart::Fields.expected("iterations, a salt and a tag"))?;
    let log2 = log2.bytes().next().and_then(crypt_digit);
    let log2 = log2.ok_or(HashPart::Parameters.expected("a character of `./0-9A-Za-z`"))?;
    HashProblem::unless_within("log2 of the iterations", 7, MAX_LOG2, log2.into())?;
    let (salt, tag) = rest.split_at_checked(SALT_CHARACTERS).ok_or(HashPart::Salt.expected("eight characters"))?;
    if !salt.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HashPart::Salt.expected("eight visible ASCII characters"));
    }
    let tag = match variant {
        Variant::Portable => text_tag(tag.as_bytes(), 22, "22 characters of `./0-9A-Za-z`")?,
        Variant::Drupal7 => text_tag(tag.as_bytes(), 43, "43 characters of `./0-9A-Za-z`")?,
    };
    Ok(Stored::foreign(Phpass { variant, log2, salt: salt.to_owned() }, tag))
}

impl Foreign for Phpass {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(match self.variant {
            Variant::Portable => OptInAlgorithm::Phpass,
            Variant::Drupal7 => OptInAlgorithm::Drupal7,
        })
    }

    fn parameters(&self) -> String {
        format!("log2={}", self.log2)
    }

    fn written(&self, tag: &Tag) -> String {
        let letter = if self.variant == Variant::Portable { 'P' } else { 'S' };
        let log2: String = crypt_characters(self.log2, 1).map(char::from).collect();
        format!("${letter}${log2}{}{}", self.salt, String::from_utf8_lossy(tag))
    }

    fn work(&self, password_bytes: usize) -> u64 {
        (1 << self.log2) * (1 + password_bytes as u64 / 64) / 2
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let (salt, count) = (self.salt.as_bytes(), 1_u32 << self.log2);
        Ok(match self.variant {
            Variant::Portable => text_of(&iterated::<Md5>(password, salt, count), 22),
            Variant::Drupal7 => text_of(&iterated::<Sha512>(password, salt, count), 43),
        })
    }

    fn is_what_was_hashed(&self, _password: &[u8]) -> bool {
        true
    }
}

fn iterated<H: Digest>(password: &[u8], salt: &[u8], count: u32) -> Zeroizing<Vec<u8>> {
    let mut digest = H::new().chain_update(salt).chain_update(password).finalize();
    for _ in 0..count {
        digest = H::new().chain_update(&digest).chain_update(password).finalize();
    }
    Zeroizing::new(digest.to_vec())
}

fn text_of(digest: &[u8], characters: usize) -> Tag {
    Zeroizing::new(crypt_text(digest).bytes().take(characters).collect())
}
