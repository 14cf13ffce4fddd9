//! scrypt (RFC 7914), kept as `$scrypt$ln=16,r=8,p=1$<salt>$<tag>`.

use base64::Engine as _;
use scrypt::Params;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::parts::{
    self, ANY_PADDING, PADDED, UNPADDED, check_salt, check_tag, crypt_bytes, crypt_digit, fields, named, number,
};
use super::{Algorithm, Context, Foreign, Read, Stored, hmac};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::hashing::cost::Ceiling;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const MAX_PARALLELISM: u64 = 16;
const MAX_SALT_BYTES: u64 = 64;
const MIN_TAG_BYTES: u64 = 16;
const MAX_TAG_BYTES: u64 = 64;

/// scrypt's parameters and salt, and the length of the stored tag.
#[derive(Debug)]
pub(super) struct Scrypt {
    parameters: Parameters,
    salt: Vec<u8>,
    tag_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Parameters {
    log_n: u8,
    block_size: u32,
    parallelism: u32,
}

/// `ln=16,r=8,p=1$<salt>$<tag>` as PHC strings have it. Kratos writes N itself after `ln=`, and `AdonisJS`
/// writes `n=`.
pub(super) fn phc(text: &str, context: Context<'_>) -> Read {
    const NAMES: &str = "`ln=`, `r=` and `p=`, each once";
    let [parameters, salt, tag] = fields(text, '$', "`ln=LOG2_N,r=R,p=P$SALT$TAG`")?;
    let of_n = named(parameters, ["n", "r", "p"], NAMES);
    let [n, r, p] = of_n.or_else(|_| named(parameters, ["ln", "r", "p"], NAMES))?;
    let is_logarithm = of_n.is_err() && n.len() <= 2;
    let log_n = if is_logarithm { number(n)? } else { log2(number(n)?)? };
    let parameters = Parameters::new(log_n, number(r)?, number(p)?)?;
    stored(parameters, parts::salt(salt, &ANY_PADDING)?, parts::tag(tag, &ANY_PADDING)?, context)
}

/// `16384$<salt>$8$5$<tag>` of Django: N, the salt as its text, r, p.
pub(super) fn django(text: &str, context: Context<'_>) -> Read {
    let [n, salt, r, p, tag] = fields(text, '$', "`N$SALT$R$P$TAG`")?;
    stored(Parameters::of_n(n, r, p)?, salt.into(), parts::tag(tag, &PADDED)?, context)
}

/// `32768:8:1$<salt>$<tag>` of Werkzeug: the salt is its text.
pub(super) fn werkzeug(text: &str, context: Context<'_>) -> Read {
    const FORM: &str = "`N:R:P$SALT$TAG`";
    let [parameters, salt, tag] = fields(text, '$', FORM)?;
    let [n, r, p] = fields(parameters, ':', FORM)?;
    stored(Parameters::of_n(n, r, p)?, salt.into(), parts::hex_tag(tag)?, context)
}

/// `16384$8$1$<salt>$<tag>` of Go's simple-scrypt.
pub(super) fn simple(text: &str, context: Context<'_>) -> Read {
    let [n, r, p, salt, tag] = fields(text, '$', "`N$R$P$SALT$TAG`")?;
    stored(Parameters::of_n(n, r, p)?, parts::hex_salt(salt)?, parts::hex_tag(tag)?, context)
}

/// `<salt>:<tag>` of better-auth: the salt is its text, and the parameters are always the same.
pub(super) fn better_auth(text: &str, context: Context<'_>) -> Read {
    let [salt, tag] = fields(text, ':', "`SALT:TAG`")?;
    stored(Parameters::new(14, 16, 1)?, salt.into(), parts::hex_tag(tag)?, context)
}

/// `0e0801$<salt>$<tag>` after `$s1$`, of libscrypt: two hexadecimal digits for log2 N, for r and for p.
pub(super) fn libscrypt(text: &str, context: Context<'_>) -> Read {
    let [parameters, salt, tag] = fields(text, '$', "`PARAMETERS$SALT$TAG`")?;
    let [log_n, r, p] = <[u8; 3]>::try_from(parts::hex_tag(parameters)?.as_slice())
        .map_err(|_| HashPart::Parameters.expected("six hexadecimal digits"))?;
    let parameters = Parameters::new(log_n.into(), r.into(), p.into())?;
    stored(parameters, parts::salt(salt, &PADDED)?, parts::tag(tag, &PADDED)?, context)
}

/// `$e0801$<salt>$<tag>` of Spring: log2 N in up to two hexadecimal digits, and two for r and for p.
pub(super) fn spring(text: &str, context: Context<'_>) -> Read {
    let [_, parameters, salt, tag] = fields(text, '$', "`$PARAMETERS$SALT$TAG`")?;
    let digits = HashPart::Parameters.expected("hexadecimal digits");
    let parameters = u32::from_str_radix(parameters, 16).map_err(|_| digits)?;
    let parameters = Parameters::new(parameters >> 16, parameters >> 8 & 255, parameters & 255)?;
    stored(parameters, parts::salt(salt, &PADDED)?, parts::tag(tag, &PADDED)?, context)
}

/// `C6..../....<salt>$<tag>` after `$7$`, of libxcrypt and libsodium: one character for log2 N, five for r and five for
/// p; the salt is its text.
pub(super) fn crypt(text: &str, context: Context<'_>) -> Read {
    const PARAMETERS: HashProblem = HashPart::Parameters.expected("11 characters of `./0-9A-Za-z`");
    let [setting, tag] = fields(text, '$', "`PARAMETERS` and a salt, `$` and a tag")?;
    let (parameters, salt) = setting.split_at_checked(11).ok_or(PARAMETERS)?;
    let value = |characters: &str| {
        let add = |value: u64, byte: u8| Some(value << 6 | u64::from(crypt_digit(byte)?));
        characters.bytes().rev().try_fold(0, add).and_then(|value| u32::try_from(value).ok()).ok_or(PARAMETERS)
    };
    let (log_n, rest) = parameters.split_at_checked(1).ok_or(PARAMETERS)?;
    let (r, p) = rest.split_at_checked(5).ok_or(PARAMETERS)?;
    let parameters = Parameters::new(value(log_n)?, value(r)?, value(p)?)?;
    let tag = crypt_bytes(tag).ok_or(HashPart::Tag.expected("characters of `./0-9A-Za-z`"))?;
    stored(parameters, salt.into(), tag, context)
}

fn stored(parameters: Parameters, salt: Vec<u8>, tag: Tag, context: Context<'_>) -> Read {
    check_tag(&tag, MIN_TAG_BYTES..=MAX_TAG_BYTES)?;
    Ok(Stored::foreign(Scrypt::of(parameters, salt, tag.len(), context.ceiling)?, tag))
}

impl Scrypt {
    /// With log2 N, r and p, and so many bytes of a tag.
    pub(super) fn new(
        [log_n, r, p]: [u32; 3],
        salt: Vec<u8>,
        tag_bytes: usize,
        ceiling: Ceiling,
    ) -> Result<Self, HashProblem> {
        Self::of(Parameters::new(log_n, r, p)?, salt, tag_bytes, ceiling)
    }

    fn of(parameters: Parameters, salt: Vec<u8>, tag_bytes: usize, ceiling: Ceiling) -> Result<Self, HashProblem> {
        HashProblem::unless_within("parallelism", 1, MAX_PARALLELISM, parameters.parallelism.into())?;
        ceiling.check_bytes(parameters.bytes())?;
        check_salt(&salt, 1..=MAX_SALT_BYTES)?;
        Ok(Self { parameters, salt, tag_bytes })
    }

    /// log2 N, r and p.
    pub(super) fn costs(&self) -> [u32; 3] {
        let Parameters { log_n, block_size, parallelism } = self.parameters;
        [log_n.into(), block_size, parallelism]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }
}

impl Parameters {
    fn new(log_n: u32, block_size: u32, parallelism: u32) -> Result<Self, HashProblem> {
        HashProblem::unless_within("log2 of N", 1, 63, log_n.into())?;
        HashProblem::unless_within("block size r", 1, u32::MAX.into(), block_size.into())?;
        let log_n = u8::try_from(log_n).map_err(|_| POWER)?;
        Ok(Self { log_n, block_size, parallelism })
    }

    /// With N itself.
    fn of_n(n: &str, r: &str, p: &str) -> Result<Self, HashProblem> {
        Self::new(log2(number(n)?)?, number(r)?, number(p)?)
    }

    /// The memory that it takes: 128·r·(N + p + 1), or the largest number if that is even more.
    fn bytes(self) -> u64 {
        let blocks = (1_u64 << self.log_n).saturating_add(self.parallelism.into()).saturating_add(1);
        blocks.saturating_mul(u64::from(self.block_size) * 128)
    }
}

const POWER: HashProblem = HashPart::Parameters.expected("a power of two as N");

fn log2(n: u32) -> Result<u32, HashProblem> {
    if n.is_power_of_two() { Ok(n.ilog2()) } else { Err(POWER) }
}

impl Foreign for Scrypt {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Usual("scrypt")
    }

    fn parameters(&self) -> String {
        let Parameters { log_n, block_size, parallelism } = self.parameters;
        format!("ln={log_n},r={block_size},p={parallelism}")
    }

    fn written(&self, tag: &Tag) -> String {
        format!("$scrypt${}${}${}", self.parameters(), UNPADDED.encode(&self.salt), UNPADDED.encode(tag))
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        let kib = Parameters { parallelism: 1, ..self.parameters }.bytes() / 1024;
        kib.saturating_mul(6).saturating_mul(self.parameters.parallelism.into())
    }

    /// Allocates its memory for the duration of this call; the `scrypt` crate cannot borrow any.
    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let Parameters { log_n, block_size, parallelism } = self.parameters;
        let parameters = Params::new(log_n, block_size, parallelism).map_err(|_| CantCompute::Input)?;
        let mut tag = Zeroizing::new(vec![0; self.tag_bytes]);
        scrypt::scrypt(password, &self.salt, &parameters, &mut tag).map_err(|_| CantCompute::Input)?;
        Ok(tag)
    }

    /// scrypt begins and ends with PBKDF2, with the password as the key.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        hmac::is_what_was_hashed::<Sha256>(password)
    }

    fn takes_memory(&self) -> bool {
        true
    }
}
