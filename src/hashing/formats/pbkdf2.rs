//! PBKDF2 (RFC 8018 §5.2) with HMAC-SHA-256 or HMAC-SHA-512: `$pbkdf2-sha256$i=600000$<salt>$<tag>`, and without the
//! `i=` as passlib writes it.

use base64::alphabet::{Alphabet, STANDARD};
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD_NO_PAD};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::hmac;
use super::parts::{decimal, salt_and_tag};
use crate::hashing::phc::Tag;

const MAX_ITERATIONS: u32 = 10_000_000;
const MIN_TAG_BYTES: usize = 16;

/// The alphabet of passlib's "adapted base64": `.` in place of `+`.
const ADAPTED: GeneralPurpose = GeneralPurpose::new(
    &match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => alphabet,
        Err(_) => STANDARD,
    },
    NO_PAD,
);

/// PBKDF2's hash function, iterations and salt, and the length of the stored tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hashing) struct Pbkdf2 {
    hash: Hash,
    iterations: u32,
    salt: Vec<u8>,
    tag_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

impl Pbkdf2 {
    pub(super) fn parse(identifier: &str, text: &str) -> Result<(Self, Tag), &'static str> {
        // A tag of more than one block of the hash function would cost its user more than an attacker.
        let (hash, max_tag_bytes) = if identifier == "pbkdf2-sha256" { (Hash::Sha256, 32) } else { (Hash::Sha512, 64) };
        let (parameters, rest) = text.split_once('$').ok_or("it is not a PBKDF2 string")?;
        let (iterations, length, base64) = match parameters.strip_prefix("i=") {
            None => (parameters, None, &ADAPTED),
            Some(parameters) => match parameters.split_once(",l=") {
                None => (parameters, None, &STANDARD_NO_PAD),
                Some((iterations, length)) => (iterations, Some(length), &STANDARD_NO_PAD),
            },
        };
        let iterations = decimal(iterations).ok_or("its parameters can't be read")?;
        if iterations > MAX_ITERATIONS {
            return Err("it costs more than is allowed");
        }
        let (salt, tag) = salt_and_tag(rest, base64, MIN_TAG_BYTES..=max_tag_bytes)?;
        if length.is_some_and(|length| length != tag.len().to_string()) {
            return Err("its tag is not as long as it says");
        }
        Ok((Self { hash, iterations, salt, tag_bytes: tag.len() }, tag))
    }

    pub(super) fn compute(&self, password: &[u8]) -> Tag {
        let mut tag = Zeroizing::new(vec![0; self.tag_bytes]);
        match self.hash {
            Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, self.iterations, &mut tag),
            Hash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, &self.salt, self.iterations, &mut tag),
        }
        tag
    }

    pub(super) fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        match self.hash {
            Hash::Sha256 => hmac::is_what_was_hashed::<Sha256>(password),
            Hash::Sha512 => hmac::is_what_was_hashed::<Sha512>(password),
        }
    }

    pub(super) fn work(&self) -> u64 {
        self.iterations.into()
    }

    pub(super) fn name(&self) -> &'static str {
        match self.hash {
            Hash::Sha256 => "pbkdf2-sha256",
            Hash::Sha512 => "pbkdf2-sha512",
        }
    }

    pub(super) fn parameters(&self) -> String {
        format!("i={}", self.iterations)
    }
}
