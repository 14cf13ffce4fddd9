//! What `MySQL` keeps for `caching_sha2_password`: sha256-crypt with a salt of 20 bytes, which the `sha-crypt` crate
//! would cut. Kept as `$caching-sha2$rounds=5000$<salt>$<tag>`.

use base64::Engine as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::parts::{self, UNPADDED, check_salt, fields, number, text_tag};
use super::sha_crypt::encode;
use super::{Algorithm, Foreign, Read, Stored};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const SALT_BYTES: u64 = 20;
const TAG_CHARACTERS: usize = 43;
const FORM: HashProblem = HashPart::Fields.expected("`$A$`, three digits, `$`, a salt of 20 bytes and a tag");

/// The rounds and the salt.
#[derive(Debug)]
pub(super) struct CachingSha2 {
    rounds: u32,
    salt: Vec<u8>,
}

/// `005$<salt><tag>` after `$A$`, as it is stored: the rounds in thousands, hexadecimal.
pub(super) fn mysql(text: &str) -> Read {
    of_bytes(text.as_bytes())
}

/// The same, in hexadecimal, as `MySQL` shows it on request: salts are seldom text.
pub(super) fn hexadecimal(text: &str) -> Read {
    of_bytes(&parts::hex_tag(text)?)
}

/// `rounds=5000$<salt>$<tag>`.
pub(super) fn normal(text: &str) -> Read {
    let [rounds, salt, tag] = fields(text, '$', "`rounds=ROUNDS$SALT$TAG`")?;
    let rounds = rounds.strip_prefix("rounds=").ok_or(HashPart::Parameters.expected("`rounds=ROUNDS`"))?;
    stored(number(rounds)?, parts::salt(salt, &UNPADDED)?, tag.as_bytes())
}

fn of_bytes(bytes: &[u8]) -> Read {
    let (thousands, rest) = bytes.split_at_checked(3).ok_or(FORM)?;
    let digit = |number: u32, byte: &u8| Some(number << 4 | char::from(*byte).to_digit(16)?);
    let thousands = thousands.iter().try_fold(0, digit);
    let rest = rest.strip_prefix(b"$").ok_or(FORM)?;
    let (salt, tag) = rest.len().checked_sub(TAG_CHARACTERS).and_then(|end| rest.split_at_checked(end)).ok_or(FORM)?;
    stored(thousands.ok_or(FORM)? * 1000, salt.to_vec(), tag)
}

fn stored(rounds: u32, salt: Vec<u8>, tag: &[u8]) -> Read {
    HashProblem::unless_within("rounds", 5000, 4_095_000, rounds.into())?;
    check_salt(&salt, SALT_BYTES..=SALT_BYTES)?;
    let tag = text_tag(tag, TAG_CHARACTERS, "43 characters of `./0-9A-Za-z`")?;
    Ok(Stored::foreign(CachingSha2 { rounds, salt }, tag))
}

impl Foreign for CachingSha2 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(OptInAlgorithm::CachingSha2)
    }

    fn parameters(&self) -> String {
        format!("rounds={}", self.rounds)
    }

    fn written(&self, tag: &Tag) -> String {
        let Self { rounds, salt } = self;
        let (name, salt, tag) = (self.algorithm().name(), UNPADDED.encode(salt), String::from_utf8_lossy(tag));
        format!("${name}$rounds={rounds}${salt}${tag}")
    }

    /// Each round hashes the password up to three times.
    fn work(&self, password_bytes: usize) -> u64 {
        u64::from(self.rounds).saturating_mul(1 + password_bytes as u64 / 32)
    }

    /// Drepper's algorithm, with all of the salt.
    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let salt = self.salt.as_slice();
        let digest = |parts: &[&[u8]]| {
            let hash = parts.iter().fold(Sha256::new(), Digest::chain_update);
            Zeroizing::new(<[u8; 32]>::from(hash.finalize()))
        };
        let other = digest(&[password, salt, password]);
        let mut first = Sha256::new().chain_update(password).chain_update(salt);
        first.update(&*stretched(&other, password.len()));
        let mut length = password.len();
        while length > 0 {
            first.update(if length & 1 == 1 { other.as_slice() } else { password });
            length >>= 1;
        }
        let mut state = Zeroizing::new(<[u8; 32]>::from(first.finalize()));
        let of_password = stretched(&digest(&vec![password; password.len()]), password.len());
        let repeats = 16 + usize::from(state.first().copied().unwrap_or_default());
        let of_salt = stretched(&digest(&vec![salt; repeats]), salt.len());
        for round in 0..self.rounds {
            let is_odd = round % 2 == 1;
            let (before, after): (&[u8], &[u8]) =
                if is_odd { (&of_password, &*state) } else { (&*state, &of_password) };
            let salted: &[u8] = if round % 3 == 0 { &[] } else { &of_salt };
            let with_password: &[u8] = if round % 7 == 0 { &[] } else { &of_password };
            state = digest(&[before, salted, with_password, after]);
        }
        Ok(encode(&*state, 2))
    }

    /// A password that was hashed as a C string contains no NUL.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        !password.contains(&0)
    }
}

/// The digest again and again, that many bytes.
fn stretched(digest: &[u8; 32], bytes: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest.iter().copied().cycle().take(bytes).collect())
}
