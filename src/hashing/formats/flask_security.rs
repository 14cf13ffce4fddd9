//! What Flask-Security hashes in place of a password: base64 of its HMAC-SHA-512 under a key. Any of the usual methods
//! follows. Kept as `$flask-security$k=shop` and the normal form of the hash that follows.

use std::sync::Arc;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::parts::PADDED;
use super::{Context, Method, Read, Stored, forms};
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::import_keys::HmacKey;
use crate::hashing::kernel::CantCompute;

/// Characters of base64 of an HMAC-SHA-512.
const TEXT_BYTES: usize = 88;

/// The key, and the method that hashes what it makes of a password.
#[derive(Debug)]
pub(in crate::hashing) struct Keyed {
    key: Arc<HmacKey>,
    pub then: Method,
}

/// A hash in any form after `{flask-security}`, under the key that is the first.
pub(super) fn marked(text: &str, context: Context<'_>) -> Read {
    stored(text, |_| true, context)
}

/// The normal form, after its name.
pub(super) fn normal(text: &str, context: Context<'_>) -> Read {
    let key_and_hash = text.strip_prefix("k=").and_then(|text| text.split_at_checked(text.find('$')?));
    let (id, hash) = key_and_hash.ok_or(HashPart::Fields.expected("`k=KEY` and a hash"))?;
    stored(hash, |key| key.id.as_str() == id, context)
}

fn stored(hash: &str, is_key: impl Fn(&HmacKey) -> bool, context: Context<'_>) -> Read {
    const ALGORITHM: &str = "Flask-Security's hash with an algorithm that it does not have";
    let Stored { method, tag } = forms::read(hash, context)?;
    if method.opt_in().is_some() {
        return Err(HashProblem::NotSupported { algorithm: ALGORITHM, why: "no password verifies" });
    }
    let key = context.keys.flask_security(is_key).ok_or(HashProblem::KeyMissing(OptInAlgorithm::FlaskSecurity))?;
    Ok(Stored { method: Method::Keyed(Arc::new(Keyed { key: Arc::clone(key), then: method })), tag })
}

impl Keyed {
    /// What is hashed in place of a password. It is wiped after use; the state of the HMAC is not.
    pub(in crate::hashing) fn of(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, CantCompute> {
        let mac = Hmac::<Sha512>::new_from_slice(self.key.key.expose()).map_err(|_| CantCompute::Input)?;
        let mac = Zeroizing::new(<[u8; 64]>::from(mac.chain_update(password).finalize().into_bytes()));
        Ok(Zeroizing::new(PADDED.encode(*mac).into_bytes()))
    }

    pub(super) fn work(&self) -> u64 {
        self.then.work(TEXT_BYTES)
    }

    /// The beginning of the normal form, before the hash that follows.
    pub(super) fn written(&self) -> String {
        format!("$flask-security$k={}", self.key.id)
    }

    pub(super) fn description(&self) -> (&'static str, String) {
        let (algorithm, parameters) = self.then.description();
        (OptInAlgorithm::FlaskSecurity.as_str(), format!("k={},{algorithm},{parameters}", self.key.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::cost::{Ceiling, Cost};
    use crate::hashing::import_keys::ImportKeys;

    const KEYS: &str = "shop flask-security SECURITY_PASSWORD_SALT=146585145368132386173505678016728509634";
    /// By Flask-Security 5.9.2 of `Correct-Horse_7`.
    const HASH: &str = "$2b$05$q8nOniwAMcOF0q.4hCVH3uB4myW.jPdUCuuQEqaCaM8d7pEbCXCUG";

    fn read(text: &str, keys: &str) -> Read {
        let keys = ImportKeys::parse(keys).unwrap();
        Stored::parse(text, Context { ceiling: Ceiling::of(Cost::DEFAULT), keys: &keys })
    }

    #[test]
    fn the_hash_that_follows_is_kept_with_the_name_of_the_key() {
        let normal_form = format!("$flask-security$k=shop{HASH}");
        for text in
            [format!("{{flask-security}}{HASH}"), format!("{{FLASK-SECURITY}}{{CRYPT}}{HASH}"), normal_form.clone()]
        {
            let stored = read(&text, KEYS).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(stored.to_string(), normal_form, "{text}");
            assert_eq!(stored.method.description(), ("flask-security", "k=shop,bcrypt,cost=5".to_owned()));
            assert_eq!(stored.method.opt_in(), Some(OptInAlgorithm::FlaskSecurity));
        }
        let other = KEYS.replace("shop", "other");
        assert_eq!(read(&normal_form, &other).err(), Some(HashProblem::KeyMissing(OptInAlgorithm::FlaskSecurity)));
    }

    #[test]
    fn no_other_hash_follows() {
        for text in [
            format!("{{flask-security}}{{flask-security}}{HASH}"),
            format!("{{flask-security}}$flask-security$k=shop{HASH}"),
            "{flask-security}".repeat(32),
            format!("{{flask-security}}$wp{}", HASH.replace("2b", "2y")),
            "{flask-security}$1$salt$27iVSQMqI2QcZ3Ewd8yLX.".to_owned(),
            "$flask-security$k=shop".to_owned(),
            format!("$flask-security{HASH}"),
        ] {
            assert!(read(&text, KEYS).is_err(), "{text}");
        }
    }
}
