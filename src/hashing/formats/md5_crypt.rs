//! md5-crypt (Kamp, 1994): `$1$<salt>$<tag>`, and `$apr1$…` as Apache has it.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::parts::{check_crypt_salt, crypt_characters, text_tag};
use super::{Algorithm, Foreign, Read, Stored};
use crate::domain::hash_problem::HashPart;
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const ROUNDS: usize = 1000;
/// Characters of a salt that are used; systems cut off the others.
const SALT_CHARACTERS: usize = 8;
/// The bytes of the digest that are written together, four characters each.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// The variant and the salt.
#[derive(Debug)]
pub(super) struct Md5Crypt {
    variant: Variant,
    salt: String,
}

/// What is hashed along, and written before the salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Unix,
    Apache,
}

impl Variant {
    const fn magic(self) -> &'static str {
        match self {
            Self::Unix => "$1$",
            Self::Apache => "$apr1$",
        }
    }
}

/// `<salt>$<tag>`. Keeps the tag as its text.
pub(super) fn crypt(variant: Variant, text: &str) -> Read {
    let (salt, tag) = text.split_once('$').ok_or(HashPart::Fields.expected("`SALT$TAG`"))?;
    check_crypt_salt(salt)?;
    let tag = text_tag(tag.as_bytes(), 22, "22 characters of `./0-9A-Za-z`")?;
    let salt = salt.get(..SALT_CHARACTERS).unwrap_or(salt).to_owned();
    Ok(Stored::foreign(Md5Crypt { variant, salt }, tag))
}

impl Foreign for Md5Crypt {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(match self.variant {
            Variant::Unix => OptInAlgorithm::Md5Crypt,
            Variant::Apache => OptInAlgorithm::Apr1,
        })
    }

    fn parameters(&self) -> String {
        String::new()
    }

    fn written(&self, tag: &Tag) -> String {
        format!("{}{}${}", self.variant.magic(), self.salt, String::from_utf8_lossy(tag))
    }

    /// Each round hashes the password up to twice.
    fn work(&self, password_bytes: usize) -> u64 {
        1000 * (1 + password_bytes as u64 / 32) / 4
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let salt = self.salt.as_bytes();
        let mut digest = wiped(Md5::new().chain_update(password).chain_update(salt).chain_update(password));
        let mut first = Md5::new().chain_update(password).chain_update(self.variant.magic()).chain_update(salt);
        for chunk in password.chunks(16) {
            first.update(digest.get(..chunk.len()).unwrap_or_default());
        }
        let mut length = password.len();
        while length > 0 {
            first.update(if length & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
            length >>= 1;
        }
        digest = wiped(first);
        for round in 0..ROUNDS {
            let mut next = Md5::new();
            let (odd, even): (&[u8], &[u8]) = if round % 2 == 1 { (password, &*digest) } else { (&*digest, password) };
            next.update(odd);
            if round % 3 != 0 {
                next.update(salt);
            }
            if round % 7 != 0 {
                next.update(password);
            }
            next.update(even);
            digest = wiped(next);
        }
        Ok(encode(&digest))
    }

    /// A password that was hashed as a C string contains no NUL.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        !password.contains(&0)
    }
}

fn wiped(digest: Md5) -> Zeroizing<[u8; 16]> {
    Zeroizing::new(digest.finalize().into())
}

fn encode(digest: &[u8; 16]) -> Tag {
    let mut text = Zeroizing::new(Vec::with_capacity(22));
    let byte = |place: usize| u32::from(digest.get(place).copied().unwrap_or_default());
    for [high, middle, low] in GROUPS {
        text.extend(crypt_characters(byte(high) << 16 | byte(middle) << 8 | byte(low), 4));
    }
    text.extend(crypt_characters(byte(11), 2));
    text
}
