//! yescrypt (Peslyak, PHC finalist): `$y$j9T$<salt>$<tag>`.

use yescrypt::{Mode, Params};
use zeroize::Zeroizing;

use super::parts::{check_salt, check_tag, crypt_bytes, crypt_characters, crypt_digit, crypt_text, fields};
use super::{Algorithm, Context, Foreign, Read, Stored};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const PARAMETERS: HashProblem =
    HashPart::Parameters.expected("`j` and a character each for N and r, as libxcrypt writes them");
const MAX_SALT_BYTES: u64 = 64;
const TAG_BYTES: u64 = 32;

/// yescrypt's parameters, as far as libxcrypt sets them, and the salt.
#[derive(Debug)]
pub(super) struct Yescrypt {
    log_n: u32,
    block_size: u32,
    salt: Vec<u8>,
}

/// `j9T$<salt>$<tag>`: the letter stands for yescrypt's own mode.
pub(super) fn crypt(text: &str, context: Context<'_>) -> Read {
    let [parameters, salt, tag] = fields(text, '$', "`PARAMETERS$SALT$TAG`")?;
    let &[b'j', n, r] = parameters.as_bytes() else { return Err(PARAMETERS) };
    // A value below 48 takes one character.
    let value = |character| crypt_digit(character).filter(|value| *value < 48).ok_or(PARAMETERS);
    let (log_n, block_size) = (value(n)? + 1, value(r)? + 1);
    let yescrypt = Yescrypt { log_n, block_size, salt: bytes(salt, HashPart::Salt)?.to_vec() };
    HashProblem::unless_within("log2 of N", 2, 31, log_n.into())?;
    context.ceiling.check_bytes(yescrypt.bytes())?;
    check_salt(&yescrypt.salt, 1..=MAX_SALT_BYTES)?;
    let tag = bytes(tag, HashPart::Tag)?;
    check_tag(&tag, TAG_BYTES..=TAG_BYTES)?;
    Ok(Stored::foreign(yescrypt, tag))
}

fn bytes(text: &str, part: HashPart) -> Result<Tag, HashProblem> {
    crypt_bytes(text).ok_or(part.expected("characters of `./0-9A-Za-z`"))
}

impl Yescrypt {
    /// N blocks of 128·r bytes, and two more.
    fn bytes(&self) -> u64 {
        ((1_u64 << self.log_n) + 2).saturating_mul(128 * u64::from(self.block_size))
    }
}

impl Foreign for Yescrypt {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(OptInAlgorithm::Yescrypt)
    }

    fn parameters(&self) -> String {
        format!("ln={},r={}", self.log_n, self.block_size)
    }

    fn written(&self, tag: &Tag) -> String {
        let parameters = [self.log_n, self.block_size].into_iter().flat_map(|value| crypt_characters(value - 1, 1));
        let parameters: String = parameters.map(char::from).collect();
        format!("$y$j{parameters}${}${}", *crypt_text(&self.salt), *crypt_text(tag))
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        (self.bytes() / 1024).saturating_mul(3)
    }

    /// Allocates its memory for the duration of this call.
    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let parameters = Params::new(Mode::Rw, 1 << self.log_n, self.block_size, 1).map_err(|_| CantCompute::Input)?;
        let mut tag = Zeroizing::new(vec![0; 32]);
        yescrypt::yescrypt(password, &self.salt, &parameters, &mut tag).map_err(|_| CantCompute::Input)?;
        Ok(tag)
    }

    /// A password that was hashed as a C string contains no NUL.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        !password.contains(&0)
    }

    fn takes_memory(&self) -> bool {
        true
    }
}
