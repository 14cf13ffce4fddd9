//! sha256-crypt and sha512-crypt: `$5$rounds=5000$<salt>$<tag>` and `$6$…` (Drepper, "Unix crypt using SHA-256 and
//! SHA-512", 2007).

use sha_crypt::{Params, sha256_crypt, sha512_crypt};
use zeroize::Zeroizing;

use super::parts::decimal;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

/// Rounds of a string that does not state them.
const DEFAULT_ROUNDS: u32 = 5000;
const ROUNDS: std::ops::RangeInclusive<u32> = 1000..=5_000_000;
const SALT_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=16;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash function, the rounds and the salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hashing) struct ShaCrypt {
    hash: Hash,
    rounds: u32,
    salt: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

impl ShaCrypt {
    /// Keeps the tag as its stored text.
    pub(super) fn parse(identifier: &str, text: &str) -> Result<(Self, Tag), &'static str> {
        let (hash, characters) = if identifier == "5" { (Hash::Sha256, 43) } else { (Hash::Sha512, 86) };
        let (rounds, rest) = match text.strip_prefix("rounds=") {
            None => (DEFAULT_ROUNDS, text),
            Some(text) => {
                let (rounds, rest) = text.split_once('$').ok_or("it is not a sha-crypt string")?;
                (decimal(rounds).ok_or("its rounds can't be read")?, rest)
            }
        };
        if !ROUNDS.contains(&rounds) {
            return Err("it costs more than is allowed, or less");
        }
        let (salt, tag) = rest.split_once('$').ok_or("it has no salt or no tag")?;
        let is_text = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
        if !SALT_CHARACTERS.contains(&salt.len()) || !is_text(salt) {
            return Err("its salt can't be read");
        }
        if tag.len() != characters || !is_text(tag) {
            return Err("its tag can't be read");
        }
        Ok((Self { hash, rounds, salt: salt.to_owned() }, Zeroizing::new(tag.as_bytes().to_vec())))
    }

    pub(super) fn compute(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let parameters = Params::new(self.rounds).map_err(|_| CantCompute::Input)?;
        let salt = self.salt.as_bytes();
        Ok(match self.hash {
            Hash::Sha256 => encode(&Zeroizing::new(sha256_crypt(password, salt, parameters))[..], 2),
            Hash::Sha512 => encode(&Zeroizing::new(sha512_crypt(password, salt, parameters))[..], 1),
        })
    }

    /// A password that was hashed as a C string contains no NUL.
    pub(super) fn is_what_was_hashed(password: &[u8]) -> bool {
        !password.contains(&0)
    }

    /// Each round hashes the password up to three times.
    pub(super) fn work(&self, password_bytes: usize) -> u64 {
        let blocks = 1 + u64::try_from(password_bytes).unwrap_or(u64::MAX) / 32;
        u64::from(self.rounds).saturating_mul(blocks)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.hash {
            Hash::Sha256 => "sha256-crypt",
            Hash::Sha512 => "sha512-crypt",
        }
    }

    pub(super) fn parameters(&self) -> String {
        format!("rounds={}", self.rounds)
    }
}

/// Encodes a digest as text: groups of three bytes, a third of the digest apart, as four characters each, with their
/// order rotated from group to group; then the remaining one or two bytes (the steps "22" of the specification).
fn encode(digest: &[u8], turn: usize) -> Tag {
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or_default());
    let mut text = Zeroizing::new(Vec::with_capacity(86));
    let mut push = |value: u32, characters: u32| {
        let sextets = (0..characters).map(|number| (value >> (6 * number)) & 63);
        text.extend(sextets.filter_map(|sextet| ALPHABET.get(sextet as usize)));
    };
    let third = digest.len() / 3;
    for first in 0..third {
        let mut group = [first, first + third, first + 2 * third];
        group.rotate_left(turn * first % 3);
        let [high, middle, low] = group.map(byte);
        push(high << 16 | middle << 8 | low, 4);
    }
    match digest.len() % 3 {
        2 => push(byte(3 * third + 1) << 8 | byte(3 * third), 3),
        _ => push(byte(3 * third), 2),
    }
    text
}
