//! bcrypt: `$2b$12$<salt><tag>` (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999).

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use zeroize::Zeroizing;

use super::parts::{self, UNPADDED, fields, number};
use super::{Foreign, Read, Stored};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// Some systems write anything into the four bits of a salt's text that belong to no byte, and none reads them.
const OF_SALTS: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));
/// Cost 15 takes about two seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// Characters of the salt; the tag has 31.
const SALT_CHARACTERS: usize = 22;
const SALT_TEXT: HashProblem = HashPart::Salt.expected("22 characters of bcrypt's base64");
/// Bytes of a password that bcrypt takes, including the NUL at its end.
const KEY_BYTES: usize = 72;
/// Bytes that are stored of bcrypt's 24.
const TAG_BYTES: usize = 23;

/// bcrypt's cost and salt. `$2a$`, `$2b$` and `$2y$` are one method.
#[derive(Debug)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
}

/// `12$<salt><tag>`, as crypt strings have it.
pub(super) fn crypt(text: &str) -> Read {
    let (cost, rest) = text.split_once('$').ok_or(HashPart::Fields.expected("a cost, `$`, a salt and a tag"))?;
    let is_two_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost = cost.parse().ok().filter(|_| is_two_digits);
    let cost = cost.ok_or(HashPart::Parameters.expected("a cost of two digits"))?;
    let (salt, tag) = rest.split_at_checked(SALT_CHARACTERS).ok_or(SALT_TEXT)?;
    let salt = OF_SALTS.decode(salt).map_err(|_| SALT_TEXT)?;
    let expected = HashPart::Tag.expected("31 characters of bcrypt's base64");
    let tag = BASE64.decode(tag).map(Zeroizing::new).map_err(|_| expected)?;
    stored(cost, salt, tag, expected)
}

/// `v=98$r=10$<salt>$<tag>` after `$bcrypt$`, as AdonisJS writes it: 98 is the letter b.
pub(super) fn phc(text: &str) -> Read {
    const PARAMETERS: HashProblem = HashPart::Parameters.expected("`v=98` and `r=` with the cost");
    let [version, cost, salt, tag] = fields(text, '$', "`v=98$r=COST$SALT$TAG`")?;
    let cost = cost.strip_prefix("r=").filter(|_| version == "v=98").ok_or(PARAMETERS)?;
    let (salt, tag) = (parts::salt(salt, &UNPADDED)?, parts::tag(tag, &UNPADDED)?);
    stored(number(cost)?, salt, tag, HashPart::Tag.expected("23 bytes"))
}

fn stored(cost: u32, salt: Vec<u8>, tag: Tag, bad_tag: HashProblem) -> Read {
    HashProblem::unless_within("cost", (*COSTS.start()).into(), (*COSTS.end()).into(), cost.into())?;
    let salt = salt.try_into().map_err(|_| SALT_TEXT)?;
    if tag.len() != TAG_BYTES {
        return Err(bad_tag);
    }
    Ok(Stored::foreign(Bcrypt { cost, salt }, tag))
}

impl Foreign for Bcrypt {
    fn name(&self) -> &'static str {
        "bcrypt"
    }

    fn parameters(&self) -> String {
        format!("cost={}", self.cost)
    }

    fn written(&self, tag: &Tag) -> String {
        format!("$2b${:02}${}{}", self.cost, BASE64.encode(self.salt), BASE64.encode(tag))
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        80 << self.cost
    }

    /// Hashes the first 72 bytes of a password, as the systems do that such hashes come from.
    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (byte, of_password) in key.iter_mut().zip(password) {
            *byte = *of_password;
        }
        let used = (password.len() + 1).min(KEY_BYTES);
        let mut tag = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, key.get(..used).unwrap_or(&*key)).to_vec());
        tag.truncate(TAG_BYTES);
        Ok(tag)
    }

    /// bcrypt repeats its key: "a" is the same as "a\0a". A password that was hashed as a C string contains no NUL.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        !password.contains(&0)
    }

    /// Counts the NUL at the end, which marks where the password ends.
    fn takes_all_of(&self, password: &[u8]) -> bool {
        password.len() < KEY_BYTES
    }
}
