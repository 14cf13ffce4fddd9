//! bcrypt: `$2b$12$<salt><tag>` (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999).

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::parts::{self, PADDED, UNPADDED, fields, number};
use super::{Algorithm, Foreign, Read, Stored, hmac as keys};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// Some systems write anything into the four bits of a salt's text that belong to no byte, and none reads them.
const OF_SALTS: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));
/// Cost 15 takes about two seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// Characters of the salt; the tag has 31.
const SALT_CHARACTERS: usize = 22;
const TAG_TEXT: HashProblem = HashPart::Tag.expected("31 characters of bcrypt's base64");
const SALT_TEXT: HashProblem = HashPart::Salt.expected("22 characters of bcrypt's base64");
/// Bytes of a password that bcrypt takes, including the NUL at its end.
const KEY_BYTES: usize = 72;
/// Bytes that are stored of bcrypt's 24.
const TAG_BYTES: usize = 23;

/// bcrypt's cost and salt, and what is hashed in place of the password. `$2a$`, `$2b$` and `$2y$` are one method.
#[derive(Debug)]
pub(super) struct Bcrypt {
    pre_hash: PreHash,
    cost: u32,
    salt: [u8; 16],
}

/// What a system hashes in place of the password, so that bcrypt takes all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreHash {
    /// The password itself.
    Nothing,
    /// Base64 of its SHA-256: passlib's first version.
    Sha256,
    /// Base64 of its HMAC-SHA-256 under the salt's text: passlib's second version.
    SaltedSha256,
    /// Its SHA-256 in hexadecimal: Django, and Flask-Bcrypt with `BCRYPT_HANDLE_LONG_PASSWORDS`.
    HexSha256,
    /// Base64 of its SHA-512, of which bcrypt takes 72 characters, if it is longer than 72 bytes: Symfony.
    LongSymfony,
    /// Its SHA-512, if it is longer than 72 bytes: Bun.
    LongBun,
    /// Base64 of its HMAC-SHA-384 under a fixed key: `WordPress`.
    WordPress,
}

/// `12$<salt><tag>`, as crypt strings have it.
pub(super) fn crypt(text: &str) -> Read {
    crypt_of(PreHash::Nothing, text)
}

/// `$2b$12$<salt><tag>` as a crypt string, with what shows or says that the password was hashed before.
pub(super) fn marked(pre_hash: PreHash, text: &str) -> Read {
    let rest = ["$2b$", "$2a$", "$2y$"].iter().find_map(|start| text.strip_prefix(start));
    crypt_of(pre_hash, rest.ok_or(HashPart::Fields.expected("`$2b$`, `$2a$` or `$2y$`"))?)
}

/// `v=2,t=2b,r=12$<salt>$<tag>` after `$bcrypt-sha256$`, as passlib writes it; `2b,12$…` in its first version.
pub(super) fn passlib(text: &str) -> Read {
    const STARTS: [(&str, PreHash); 3] =
        [("v=2,t=2b,r=", PreHash::SaltedSha256), ("2b,", PreHash::Sha256), ("2a,", PreHash::Sha256)];
    const PARAMETERS: HashProblem = HashPart::Parameters.expected("`v=2,t=2b,r=COST`, `2b,COST` or `2a,COST`");
    let [parameters, salt, tag] = fields(text, '$', "`v=2,t=2b,r=COST$SALT$TAG`")?;
    let read = |(start, pre_hash): &(&str, PreHash)| Some((parameters.strip_prefix(start)?, *pre_hash));
    let (cost, pre_hash) = STARTS.iter().find_map(read).ok_or(PARAMETERS)?;
    stored(pre_hash, number(cost)?, salt_of(salt)?, tag_of(tag)?)
}

/// `v=98$r=10$<salt>$<tag>` after `$bcrypt$`, as `AdonisJS` writes it: 98 is the letter b.
pub(super) fn phc(text: &str) -> Read {
    const PARAMETERS: HashProblem = HashPart::Parameters.expected("`v=98` and `r=` with the cost");
    let [version, cost, salt, tag] = fields(text, '$', "`v=98$r=COST$SALT$TAG`")?;
    let cost = cost.strip_prefix("r=").filter(|_| version == "v=98").ok_or(PARAMETERS)?;
    stored(PreHash::Nothing, number(cost)?, parts::salt(salt, &UNPADDED)?, parts::tag(tag, &UNPADDED)?)
}

/// `12$<salt><tag>`, if something else than the password was hashed.
pub(super) fn crypt_of(pre_hash: PreHash, text: &str) -> Read {
    let (cost, rest) = text.split_once('$').ok_or(HashPart::Fields.expected("a cost, `$`, a salt and a tag"))?;
    let is_two_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost = cost.parse().ok().filter(|_| is_two_digits);
    let cost = cost.ok_or(HashPart::Parameters.expected("a cost of two digits"))?;
    let (salt, tag) = rest.split_at_checked(SALT_CHARACTERS).ok_or(SALT_TEXT)?;
    stored(pre_hash, cost, salt_of(salt)?, tag_of(tag)?)
}

fn salt_of(text: &str) -> Result<Vec<u8>, HashProblem> {
    OF_SALTS.decode(text).map_err(|_| SALT_TEXT)
}

fn tag_of(text: &str) -> Result<Tag, HashProblem> {
    BASE64.decode(text).map(Zeroizing::new).map_err(|_| TAG_TEXT)
}

fn stored(pre_hash: PreHash, cost: u32, salt: Vec<u8>, tag: Tag) -> Read {
    HashProblem::unless_within("cost", (*COSTS.start()).into(), (*COSTS.end()).into(), cost.into())?;
    let salt = salt.try_into().map_err(|_| SALT_TEXT)?;
    if tag.len() != TAG_BYTES {
        return Err(TAG_TEXT);
    }
    Ok(Stored::foreign(Bcrypt { pre_hash, cost, salt }, tag))
}

impl PreHash {
    /// What bcrypt gets.
    fn of(self, password: &[u8], salt: &str) -> Result<Zeroizing<Vec<u8>>, CantCompute> {
        let text = match self {
            Self::LongSymfony if password.len() > KEY_BYTES => {
                PADDED.encode(Zeroizing::new(<[u8; 64]>::from(Sha512::digest(password))))
            }
            Self::LongBun if password.len() > KEY_BYTES => {
                return Ok(Zeroizing::new(Sha512::digest(password).to_vec()));
            }
            Self::Nothing | Self::LongSymfony | Self::LongBun => return Ok(Zeroizing::new(password.to_vec())),
            Self::Sha256 => PADDED.encode(Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password)))),
            Self::SaltedSha256 => {
                let mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).map_err(|_| CantCompute::Input)?;
                PADDED.encode(mac.chain_update(password).finalize().into_bytes())
            }
            Self::HexSha256 => {
                let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
                Sha256::digest(password).into_iter().flat_map(digits).flatten().collect()
            }
            Self::WordPress => {
                let mac = Hmac::<Sha384>::new_from_slice(b"wp-sha384").map_err(|_| CantCompute::Input)?;
                PADDED.encode(mac.chain_update(password).finalize().into_bytes())
            }
        };
        Ok(Zeroizing::new(text.into_bytes()))
    }
}

impl Foreign for Bcrypt {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(match self.pre_hash {
            PreHash::Nothing => return Algorithm::Usual("bcrypt"),
            PreHash::LongSymfony => return Algorithm::Usual("bcrypt-symfony"),
            PreHash::LongBun => return Algorithm::Usual("bcrypt-bun"),
            PreHash::Sha256 | PreHash::SaltedSha256 | PreHash::HexSha256 => OptInAlgorithm::BcryptSha256,
            PreHash::WordPress => OptInAlgorithm::WordpressBcrypt,
        })
    }

    fn parameters(&self) -> String {
        format!("cost={}", self.cost)
    }

    fn written(&self, tag: &Tag) -> String {
        let (cost, salt, tag) = (self.cost, BASE64.encode(self.salt), BASE64.encode(tag));
        match self.pre_hash {
            PreHash::Nothing => format!("$2b${cost:02}${salt}{tag}"),
            PreHash::Sha256 => format!("$bcrypt-sha256$2b,{cost}${salt}${tag}"),
            PreHash::SaltedSha256 => format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${tag}"),
            PreHash::HexSha256 => format!("$bcrypt-hex-sha256${cost:02}${salt}{tag}"),
            PreHash::LongSymfony => format!("$bcrypt-symfony${cost:02}${salt}{tag}"),
            PreHash::LongBun => format!("$bcrypt-bun${cost:02}${salt}{tag}"),
            PreHash::WordPress => format!("$wp$2y${cost:02}${salt}{tag}"),
        }
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        80 << self.cost
    }

    /// Hashes the first 72 bytes, as the systems do that such hashes come from.
    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let hashed = self.pre_hash.of(password, &BASE64.encode(self.salt))?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (byte, of_hashed) in key.iter_mut().zip(&*hashed) {
            *byte = *of_hashed;
        }
        let used = (hashed.len() + 1).min(KEY_BYTES);
        let mut tag = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, key.get(..used).unwrap_or(&*key)).to_vec());
        tag.truncate(TAG_BYTES);
        Ok(tag)
    }

    /// bcrypt repeats its key: "a" is the same as "a\0a". A password that was hashed as a C string contains no NUL. One that
    /// could be the digest of a longer one counts as that.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        match self.pre_hash {
            PreHash::Nothing | PreHash::LongSymfony => !password.contains(&0),
            PreHash::LongBun => !password.contains(&0) && !keys::is_digest::<Sha512>(password),
            _ => true,
        }
    }

    /// Counts the NUL at the end, which marks where the password ends. Where Symfony's hash is of 72 bytes, they may also be
    /// the text of a longer password's digest.
    fn takes_all_of(&self, password: &[u8]) -> bool {
        match self.pre_hash {
            PreHash::Nothing => password.len() < KEY_BYTES,
            PreHash::LongSymfony => password.len() != KEY_BYTES,
            _ => true,
        }
    }
}
