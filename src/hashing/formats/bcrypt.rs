//! bcrypt: `$2b$12$<salt><tag>` (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999).

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use zeroize::Zeroizing;

use crate::hashing::phc::Tag;

const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// Cost 15 takes about two seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// Characters of the salt; the tag has 31.
const SALT_CHARACTERS: usize = 22;
/// Bytes of a password that bcrypt takes, including the NUL at its end.
const KEY_BYTES: usize = 72;
/// Bytes that are stored of bcrypt's 24.
const TAG_BYTES: usize = 23;

/// bcrypt's cost and salt. `$2a$`, `$2b$` and `$2y$` are one method; `$2x$`, which marks the hashes of a broken
/// implementation, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hashing) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
}

impl Bcrypt {
    pub(super) fn parse(text: &str) -> Result<(Self, Tag), &'static str> {
        let (cost, rest) = text.split_once('$').ok_or("it is not a bcrypt string")?;
        let is_two_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost = cost.parse().ok().filter(|_| is_two_digits).ok_or("its cost can't be read")?;
        if !COSTS.contains(&cost) {
            return Err("it costs more than is allowed, or nothing");
        }
        let (salt, tag) = rest.split_at_checked(SALT_CHARACTERS).ok_or("it is too short")?;
        let salt = BASE64.decode(salt).ok().and_then(|salt| salt.try_into().ok()).ok_or("its salt can't be read")?;
        let tag = BASE64.decode(tag).map(Zeroizing::new).map_err(|_| "its tag can't be read")?;
        if tag.len() != TAG_BYTES {
            return Err("its tag is too short or too long");
        }
        Ok((Self { cost, salt }, tag))
    }

    /// Hashes the first 72 bytes of a password, as the systems do that such hashes come from.
    pub(super) fn compute(&self, password: &[u8]) -> Tag {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (byte, of_password) in key.iter_mut().zip(password) {
            *byte = *of_password;
        }
        let used = (password.len() + 1).min(KEY_BYTES);
        let mut tag = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, key.get(..used).unwrap_or(&*key)).to_vec());
        tag.truncate(TAG_BYTES);
        tag
    }

    /// bcrypt repeats its key: "a" is the same as "a\0a". A password that was hashed as a C string contains no NUL.
    pub(super) fn is_what_was_hashed(password: &[u8]) -> bool {
        !password.contains(&0)
    }

    /// Counts the NUL at the end, which marks where the password ends.
    pub(super) fn takes_all_of(password: &[u8]) -> bool {
        password.len() < KEY_BYTES
    }

    pub(super) fn work(&self) -> u64 {
        80 << self.cost
    }

    pub(super) fn parameters(&self) -> String {
        format!("cost={}", self.cost)
    }
}
