//! scrypt (RFC 7914): `$scrypt$ln=16,r=8,p=1$<salt>$<tag>`.

use base64::engine::general_purpose::STANDARD_NO_PAD;
use scrypt::Params;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::hmac;
use super::parts::{decimal, salt_and_tag};
use crate::hashing::cost::Ceiling;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const MAX_PARALLELISM: u32 = 16;
const TAG_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// scrypt's parameters and salt, and the length of the stored tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hashing) struct Scrypt {
    log_n: u8,
    block_size: u32,
    parallelism: u32,
    salt: Vec<u8>,
    tag_bytes: usize,
}

impl Scrypt {
    pub(super) fn parse(text: &str, ceiling: Ceiling) -> Result<(Self, Tag), &'static str> {
        let (parameters, rest) = text.split_once('$').ok_or("it is not a scrypt string")?;
        let (log_n, block_size, parallelism) = parse_parameters(parameters).ok_or("its parameters can't be read")?;
        let bytes = bytes(log_n, block_size, parallelism).ok_or("it costs more than is allowed")?;
        if bytes > ceiling.bytes() || parallelism > MAX_PARALLELISM {
            return Err("it costs more than the hash engine allows");
        }
        let (salt, tag) = salt_and_tag(rest, &STANDARD_NO_PAD, TAG_BYTES)?;
        Ok((Self { log_n, block_size, parallelism, salt, tag_bytes: tag.len() }, tag))
    }

    /// Allocates its memory for the duration of this call; the `scrypt` crate cannot borrow any.
    pub(super) fn compute(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let parameters = Params::new(self.log_n, self.block_size, self.parallelism).map_err(|_| CantCompute::Input)?;
        let mut tag = Zeroizing::new(vec![0; self.tag_bytes]);
        scrypt::scrypt(password, &self.salt, &parameters, &mut tag).map_err(|_| CantCompute::Input)?;
        Ok(tag)
    }

    /// scrypt begins and ends with PBKDF2, with the password as the key.
    pub(super) fn is_what_was_hashed(password: &[u8]) -> bool {
        hmac::is_what_was_hashed::<Sha256>(password)
    }

    pub(super) fn work(&self) -> u64 {
        let kib = bytes(self.log_n, self.block_size, 1).unwrap_or(u64::MAX) / 1024;
        kib.saturating_mul(6).saturating_mul(self.parallelism.into())
    }

    pub(super) fn parameters(&self) -> String {
        format!("ln={},r={},p={}", self.log_n, self.block_size, self.parallelism)
    }
}

/// `ln=…,r=…,p=…`: all of them, once, in this order, and nothing else.
fn parse_parameters(text: &str) -> Option<(u8, u32, u32)> {
    let mut parts = text.split(',');
    let mut next = |name: &str| decimal(parts.next()?.strip_prefix(name)?).filter(|number| *number > 0);
    let parameters = (u8::try_from(next("ln=")?).ok()?, next("r=")?, next("p=")?);
    parts.next().is_none().then_some(parameters)
}

/// The memory that it takes: 128·r·(N + p + 1).
fn bytes(log_n: u8, block_size: u32, parallelism: u32) -> Option<u64> {
    let n = 1_u64.checked_shl(log_n.into())?;
    let blocks = n.checked_add(parallelism.into())?.checked_add(1)?;
    blocks.checked_mul(u64::from(block_size).checked_mul(128)?)
}
