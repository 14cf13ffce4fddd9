//! What a server of SCRAM-SHA-256 keeps (RFC 5802, RFC 7677): kept as `$scram-sha-256$i=4096$<salt>$<stored key>`.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::parts::{self, PADDED, UNPADDED, check_salt, fields, number};
use super::{Algorithm, Foreign, Read, Stored};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

const MAX_ITERATIONS: u64 = 10_000_000;
const MAX_SALT_BYTES: u64 = 64;
const TAG_BYTES: u64 = 32;

/// The iterations and the salt. The tag is the stored key; the server's key proves nothing more.
#[derive(Debug)]
pub(super) struct Scram {
    iterations: u32,
    salt: Vec<u8>,
}

/// `4096:<salt>$<stored key>:<server key>` of PostgreSQL.
pub(super) fn postgres(text: &str) -> Read {
    const FORM: &str = "`ITERATIONS:SALT$STORED_KEY:SERVER_KEY`";
    let [parameters, keys] = fields(text, '$', FORM)?;
    let ([iterations, salt], [stored_key, server_key]) = (fields(parameters, ':', FORM)?, fields(keys, ':', FORM)?);
    with_keys(iterations, salt, stored_key, server_key)
}

/// `4096,<salt>,<stored key>,<server key>` of Dovecot.
pub(super) fn dovecot(text: &str) -> Read {
    let [iterations, salt, stored_key, server_key] = fields(text, ',', "`ITERATIONS,SALT,STORED_KEY,SERVER_KEY`")?;
    with_keys(iterations, salt, stored_key, server_key)
}

/// `i=4096$<salt>$<stored key>`.
pub(super) fn normal(text: &str) -> Read {
    let [iterations, salt, key] = fields(text, '$', "`i=ITERATIONS$SALT$STORED_KEY`")?;
    let iterations = iterations.strip_prefix("i=").ok_or(HashPart::Parameters.expected("`i=ITERATIONS`"))?;
    stored(iterations, parts::salt(salt, &UNPADDED)?, parts::tag(key, &UNPADDED)?)
}

fn with_keys(iterations: &str, salt: &str, stored_key: &str, server_key: &str) -> Read {
    HashProblem::unless_within(
        "server key's bytes",
        TAG_BYTES,
        TAG_BYTES,
        parts::tag(server_key, &PADDED)?.len() as u64,
    )?;
    stored(iterations, parts::salt(salt, &PADDED)?, parts::tag(stored_key, &PADDED)?)
}

fn stored(iterations: &str, salt: Vec<u8>, tag: Tag) -> Read {
    let iterations = number(iterations)?;
    HashProblem::unless_within("iterations", 1, MAX_ITERATIONS, iterations.into())?;
    check_salt(&salt, 1..=MAX_SALT_BYTES)?;
    HashProblem::unless_within("stored key's bytes", TAG_BYTES, TAG_BYTES, tag.len() as u64)?;
    Ok(Stored::foreign(Scram { iterations, salt }, tag))
}

impl Foreign for Scram {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(OptInAlgorithm::ScramSha256)
    }

    fn parameters(&self) -> String {
        format!("i={}", self.iterations)
    }

    fn written(&self, tag: &Tag) -> String {
        let Self { iterations, salt } = self;
        let (name, salt, tag) = (self.algorithm().name(), UNPADDED.encode(salt), UNPADDED.encode(tag));
        format!("${name}$i={iterations}${salt}${tag}")
    }

    fn work(&self, _password_bytes: usize) -> u64 {
        self.iterations.into()
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, self.iterations, &mut *salted);
        let client_key = Hmac::<Sha256>::new_from_slice(&*salted).map_err(|_| CantCompute::Input)?;
        let client_key = client_key.chain_update(b"Client Key").finalize().into_bytes();
        Ok(Zeroizing::new(Sha256::digest(client_key).to_vec()))
    }

    /// SCRAM begins with PBKDF2, with the password as the key.
    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        super::hmac::is_what_was_hashed::<Sha256>(password)
    }
}
