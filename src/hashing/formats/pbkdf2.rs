//! PBKDF2 (RFC 8018 §5.2) with HMAC-SHA-256, HMAC-SHA-512 or HMAC-SHA-1, kept as `$pbkdf2-sha256$i=600000$<salt>$<tag>`.

use base64::Engine as _;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::parts::{self, ADAPTED, ANY_PADDING, PADDED, UNPADDED, check_salt, check_tag, fields, number};
use super::sha::Sha;
use super::{Algorithm, Foreign, Read, Stored, hmac};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const MAX_ITERATIONS: u64 = 10_000_000;
const MAX_SALT_BYTES: u64 = 64;
const MIN_TAG_BYTES: u64 = 16;
const MAX_TAG_BYTES: u64 = 128;

/// PBKDF2's hash function, iterations and salt, and the length of the tag.
#[derive(Debug)]
pub(super) struct Pbkdf2 {
    hash: Sha,
    iterations: u32,
    salt: Vec<u8>,
    tag_bytes: usize,
}

/// `i=600000$<salt>$<tag>` as PHC strings have it, with or without `,l=` and padding; `29000$…` as passlib writes it.
pub(super) fn phc(hash: Sha, text: &str) -> Read {
    let [parameters, salt, tag] = fields(text, '$', "`i=ITERATIONS$SALT$TAG` or `ITERATIONS$SALT$TAG`")?;
    let Some(iterations) = parameters.strip_prefix("i=") else {
        return stored(hash, parameters, parts::salt(salt, &ADAPTED)?, parts::tag(tag, &ADAPTED)?);
    };
    let (iterations, length) = iterations.split_once(",l=").map_or((iterations, None), |(i, l)| (i, Some(l)));
    let (salt, tag) = (parts::salt(salt, &ANY_PADDING)?, parts::tag(tag, &ANY_PADDING)?);
    if length.is_some_and(|length| length != tag.len().to_string()) {
        return Err(HashPart::Tag.expected("as many bytes as its `l=` says"));
    }
    stored(hash, iterations, salt, tag)
}

/// `10000$<salt>$<tag>` of directories: as passlib writes it, or as 389-ds does, in base64 as usual.
pub(super) fn directory(hash: Sha, text: &str) -> Read {
    let [iterations, salt, tag] = fields(text, '$', "`ITERATIONS$SALT$TAG`")?;
    let usual = |text: &str| Zeroizing::new(text.replace('.', "+"));
    stored(hash, iterations, parts::salt(&usual(salt), &ANY_PADDING)?, parts::tag(&usual(tag), &ANY_PADDING)?)
}

/// Base64 of four bytes with the iterations, 64 of salt and 256 of tag, as 389-ds wrote it before.
pub(super) fn old_389(text: &str) -> Read {
    const LENGTH: HashProblem = HashPart::Tag.expected("4 bytes of iterations, 64 of salt and 256 of tag");
    let bytes = parts::tag(text, &PADDED)?;
    let (iterations, rest) = bytes.split_first_chunk().filter(|_| bytes.len() == 324).ok_or(LENGTH)?;
    let (salt, tag) = rest.split_at_checked(64).ok_or(LENGTH)?;
    stored(Sha::Sha256, &u32::from_be_bytes(*iterations).to_string(), salt.into(), first_block(Sha::Sha256, tag))
}

/// 8 bytes of salt and 32 of tag in hexadecimal, as Spring wrote it before 5.8 unless it was told a secret.
fn old_spring(text: &str) -> Read {
    const LENGTH: HashProblem = HashPart::Fields.expected("`ITERATIONS$SALT$TAG`, or 80 hexadecimal digits");
    joined(Sha::Sha1, "185000", 8, &parts::hex_tag(text).map_err(|_| LENGTH)?, LENGTH)
}

/// 16 bytes of salt and 32 of tag in hexadecimal, as Spring has written it since 5.8 unless it was told a secret.
pub(super) fn spring(text: &str) -> Read {
    const LENGTH: HashProblem = HashPart::Fields.expected("96 hexadecimal digits");
    joined(Sha::Sha256, "310000", 16, &parts::hex_tag(text).map_err(|_| LENGTH)?, LENGTH)
}

/// 16 bytes of salt and 32 of tag in base64, as Atlassian writes it.
pub(super) fn atlassian(text: &str) -> Read {
    const LENGTH: HashProblem = HashPart::Fields.expected("48 bytes in base64");
    joined(Sha::Sha1, "10000", 16, &parts::tag(text, &PADDED).map_err(|_| LENGTH)?, LENGTH)
}

/// A salt of so many bytes, and right after it a tag of 32.
fn joined(hash: Sha, iterations: &str, salt_bytes: usize, bytes: &[u8], problem: HashProblem) -> Read {
    let (salt, tag) = bytes.split_at_checked(salt_bytes).filter(|(_, tag)| tag.len() == 32).ok_or(problem)?;
    stored(hash, iterations, salt.into(), first_block(hash, tag))
}

/// `1000000$<salt>$<tag>` of Django: the salt is its text.
pub(super) fn django(hash: Sha, text: &str) -> Read {
    let [iterations, salt, tag] = fields(text, '$', "`ITERATIONS$SALT$TAG`")?;
    stored(hash, iterations, salt.into(), parts::tag(tag, &PADDED)?)
}

/// `sha256:1000000$<salt>$<tag>` of Werkzeug: the salt is its text.
pub(super) fn werkzeug(text: &str) -> Read {
    const FORM: &str = "`HASH:ITERATIONS$SALT$TAG`";
    let [method, salt, tag] = fields(text, '$', FORM)?;
    let [hash, iterations] = fields(method, ':', FORM)?;
    let hash = match hash {
        "sha1" => Sha::Sha1,
        "sha256" => Sha::Sha256,
        "sha512" => Sha::Sha512,
        _ => return Err(HashPart::Parameters.expected("the hash function sha256, sha512 or sha1")),
    };
    stored(hash, iterations, salt.into(), parts::hex_tag(tag)?)
}

/// `101$<salt>$<tag>` of Mosquitto.
pub(super) fn mosquitto(text: &str) -> Read {
    let [iterations, salt, tag] = fields(text, '$', "`ITERATIONS$SALT$TAG`")?;
    stored(Sha::Sha512, iterations, parts::salt(salt, &PADDED)?, parts::tag(tag, &PADDED)?)
}

/// What follows `{PBKDF2}`: `10000$<salt>$<tag>` of directories, 8 bytes of salt and 32 of tag in hexadecimal of Spring
/// before 5.8, or `$1$<salt>$5000$<tag>` of Dovecot, whose salt is its text.
pub(super) fn braces(text: &str) -> Read {
    let Some(text) = text.strip_prefix("$1$") else {
        return if text.contains('$') { directory(Sha::Sha1, text) } else { old_spring(text) };
    };
    let [salt, iterations, tag] = fields(text, '$', "`$1$SALT$ITERATIONS$TAG`")?;
    stored(Sha::Sha1, iterations, salt.into(), parts::hex_tag(tag)?)
}

/// `10000.<salt>.<tag>` of GRUB.
pub(super) fn grub(text: &str) -> Read {
    let [iterations, salt, tag] = fields(text, '.', "`ITERATIONS.SALT.TAG`")?;
    stored(Sha::Sha512, iterations, parts::hex_salt(salt)?, parts::hex_tag(tag)?)
}

/// `HMACSHA2+256:<iterations>:<salt>:<tag>` of Perl's `Crypt::PBKDF2`, with the iterations as four bytes.
pub(super) fn perl(text: &str) -> Read {
    const ITERATIONS: HashProblem =
        HashPart::Parameters.expected("HMACSHA2+256, HMACSHA2+512 or HMACSHA1, and its iterations");
    let [hash, iterations, salt, tag] = fields(text, ':', "`HASH:ITERATIONS:SALT:TAG`")?;
    let hash = match hash {
        "HMACSHA1" => Sha::Sha1,
        "HMACSHA2+256" => Sha::Sha256,
        "HMACSHA2+512" => Sha::Sha512,
        _ => return Err(ITERATIONS),
    };
    let iterations = PADDED.decode(iterations).or_else(|_| UNPADDED.decode(iterations)).map_err(|_| ITERATIONS)?;
    let iterations = u32::from_be_bytes(iterations.try_into().map_err(|_| ITERATIONS)?).to_string();
    stored(hash, &iterations, parts::salt(salt, &PADDED)?, parts::tag(tag, &PADDED)?)
}

/// The first block of a tag: the blocks are computed one by one, so that more of them would cost a verification more
/// than an attack.
fn first_block(hash: Sha, tag: &[u8]) -> Tag {
    Zeroizing::new(tag.get(..hash.digest_bytes()).unwrap_or(tag).to_vec())
}

/// Keeps the first block of a longer tag.
fn stored(hash: Sha, iterations: &str, salt: Vec<u8>, mut tag: Tag) -> Read {
    let iterations = number(iterations)?;
    HashProblem::unless_within("iterations", 1, MAX_ITERATIONS, iterations.into())?;
    check_salt(&salt, 1..=MAX_SALT_BYTES)?;
    check_tag(&tag, MIN_TAG_BYTES..=MAX_TAG_BYTES)?;
    tag.truncate(hash.digest_bytes());
    Ok(Stored::foreign(Pbkdf2 { hash, iterations, salt, tag_bytes: tag.len() }, tag))
}

impl Foreign for Pbkdf2 {
    fn algorithm(&self) -> Algorithm {
        match self.hash {
            Sha::Sha1 => Algorithm::OptIn(OptInAlgorithm::Pbkdf2Sha1),
            Sha::Sha256 => Algorithm::Usual("pbkdf2-sha256"),
            Sha::Sha512 => Algorithm::Usual("pbkdf2-sha512"),
        }
    }

    fn parameters(&self) -> String {
        format!("i={}", self.iterations)
    }

    fn written(&self, tag: &Tag) -> String {
        let Self { iterations, salt, .. } = self;
        let (name, salt, tag) = (self.algorithm().name(), UNPADDED.encode(salt), UNPADDED.encode(tag));
        format!("${name}$i={iterations}${salt}${tag}")
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        self.iterations.into()
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let mut tag = Zeroizing::new(vec![0; self.tag_bytes]);
        match self.hash {
            Sha::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, &self.salt, self.iterations, &mut tag),
            Sha::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, self.iterations, &mut tag),
            Sha::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, &self.salt, self.iterations, &mut tag),
        }
        Ok(tag)
    }

    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        match self.hash {
            Sha::Sha1 => hmac::is_what_was_hashed::<Sha1>(password),
            Sha::Sha256 => hmac::is_what_was_hashed::<Sha256>(password),
            Sha::Sha512 => hmac::is_what_was_hashed::<Sha512>(password),
        }
    }
}
