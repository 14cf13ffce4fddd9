//! sha256-crypt and sha512-crypt: `$5$rounds=5000$<salt>$<tag>` and `$6$…` (Drepper, "Unix crypt using SHA-256 and
//! SHA-512", 2007).

use sha_crypt::{Params, sha256_crypt, sha512_crypt};
use zeroize::Zeroizing;

use super::parts::{check_crypt_salt, crypt_characters, decimal, text_tag};
use super::{Algorithm, Foreign, Read, Stored};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

/// Rounds of a string that does not state them.
const DEFAULT_ROUNDS: u32 = 5000;
const ROUNDS: std::ops::RangeInclusive<u32> = 1000..=5_000_000;
/// Characters of a salt that are used; systems cut off the others.
const SALT_CHARACTERS: usize = 16;

/// The hash function, the rounds and the salt.
#[derive(Debug)]
pub(super) struct ShaCrypt {
    hash: Hash,
    rounds: u32,
    salt: String,
}

/// The hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// `rounds=5000$<salt>$<tag>`, with or without the rounds. Keeps the tag as its stored text.
pub(super) fn crypt(hash: Hash, text: &str) -> Read {
    const FORM: HashProblem = HashPart::Fields.expected("`rounds=ROUNDS$SALT$TAG` or `SALT$TAG`");
    let (rounds, rest) = match text.strip_prefix("rounds=") {
        None => (DEFAULT_ROUNDS, text),
        Some(text) => {
            let (rounds, rest) = text.split_once('$').ok_or(FORM)?;
            (decimal(rounds).ok_or(HashPart::Parameters.expected("rounds without leading zero"))?, rest)
        }
    };
    HashProblem::unless_within("rounds", (*ROUNDS.start()).into(), (*ROUNDS.end()).into(), rounds.into())?;
    let (salt, tag) = rest.split_once('$').ok_or(FORM)?;
    check_crypt_salt(salt)?;
    let tag = match hash {
        Hash::Sha256 => text_tag(tag.as_bytes(), 43, "43 characters of `./0-9A-Za-z`")?,
        Hash::Sha512 => text_tag(tag.as_bytes(), 86, "86 characters of `./0-9A-Za-z`")?,
    };
    let salt = salt.get(..SALT_CHARACTERS).unwrap_or(salt).to_owned();
    Ok(Stored::foreign(ShaCrypt { hash, rounds, salt }, tag))
}

impl Foreign for ShaCrypt {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Usual(match self.hash {
            Hash::Sha256 => "sha256-crypt",
            Hash::Sha512 => "sha512-crypt",
        })
    }

    fn parameters(&self) -> String {
        format!("rounds={}", self.rounds)
    }

    fn written(&self, tag: &Tag) -> String {
        let Self { hash, rounds, salt } = self;
        let number = if *hash == Hash::Sha256 { 5 } else { 6 };
        format!("${number}$rounds={rounds}${salt}${}", String::from_utf8_lossy(tag))
    }

    /// Each round hashes the password up to three times.
    fn work(&self, password_bytes: usize) -> u64 {
        let blocks = 1 + u64::try_from(password_bytes).unwrap_or(u64::MAX) / 32;
        u64::from(self.rounds).saturating_mul(blocks)
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let parameters = Params::new(self.rounds).map_err(|_| CantCompute::Input)?;
        let salt = self.salt.as_bytes();
        Ok(match self.hash {
            Hash::Sha256 => encode(&Zeroizing::new(sha256_crypt(password, salt, parameters))[..], 2),
            Hash::Sha512 => encode(&Zeroizing::new(sha512_crypt(password, salt, parameters))[..], 1),
        })
    }

    /// A password that was hashed as a C string contains no NUL.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        !password.contains(&0)
    }
}

/// Encodes a digest as text: groups of three bytes, a third of the digest apart, as four characters each, with their
/// order rotated from group to group; then the remaining one or two bytes (the steps "22" of the specification).
pub(super) fn encode(digest: &[u8], turn: usize) -> Tag {
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or_default());
    let mut text = Zeroizing::new(Vec::with_capacity(86));
    let third = digest.len() / 3;
    for first in 0..third {
        let mut group = [first, first + third, first + 2 * third];
        group.rotate_left(turn * first % 3);
        let [high, middle, low] = group.map(byte);
        text.extend(crypt_characters(high << 16 | middle << 8 | low, 4));
    }
    match digest.len() % 3 {
        2 => text.extend(crypt_characters(byte(3 * third + 1) << 8 | byte(3 * third), 3)),
        _ => text.extend(crypt_characters(byte(3 * third), 2)),
    }
    text
}
