//! The keys of the audit log: Ed25519, behind the port of the sealer.

use std::fmt::Write;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};

use crate::domain::audit_chain::{Seal, SealVerdict};
use crate::domain::names::FreeName;
use crate::ports::AuditSealer;

/// What a `SubjectPublicKeyInfo` of Ed25519 begins with, before the 32 bytes of the key (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no Ed25519 private key.
    #[error("holds no Ed25519 private key in PEM (PKCS#8), as `openssl genpkey -algorithm ed25519` makes it")]
    Private,
    /// It is no Ed25519 public key.
    #[error("holds no Ed25519 public key in PEM, as `openssl pkey -pubout` makes it")]
    Public,
}

/// The key that signs the audit log.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: FreeName,
}

impl SigningKey {
    /// Reads the key.
    ///
    /// # Errors
    /// It is no Ed25519 private key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| KeyError::Private)?;
        let id = id_of(pair.public_key().as_ref()).ok_or(KeyError::Private)?;
        Ok(Self { pair, id })
    }

    /// The public key.
    pub fn public(&self) -> PublicKeys {
        PublicKeys(vec![(self.id.clone(), self.pair.public_key().as_ref().to_owned())])
    }
}

impl AuditSealer for SigningKey {
    fn seal(&self, bytes: &[u8]) -> Option<Seal> {
        Some(Seal { key: self.id.clone(), signature: self.pair.sign(bytes).as_ref().to_owned() })
    }
}

/// The keys that signatures are checked with.
#[derive(Default)]
pub struct PublicKeys(Vec<(FreeName, Vec<u8>)>);

impl PublicKeys {
    /// Adds the keys of a text.
    ///
    /// # Errors
    /// The text holds no key, or one that is not an Ed25519 public key.
    pub fn add_pem(&mut self, text: &str) -> Result<(), KeyError> {
        let before = self.0.len();
        for der in SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes()) {
            let der = der.map_err(|_| KeyError::Public)?;
            let key = der.as_ref().strip_prefix(&SPKI).filter(|key| key.len() == 32).ok_or(KeyError::Public)?;
            self.0.push((id_of(key).ok_or(KeyError::Public)?, key.to_owned()));
        }
        if self.0.len() > before { Ok(()) } else { Err(KeyError::Public) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a seal of these bytes is worth.
    pub fn verdict(&self, bytes: &[u8], seal: &Seal) -> SealVerdict {
        if self.is_empty() {
            return SealVerdict::Unchecked;
        }
        let Some((_, key)) = self.0.iter().find(|(id, _)| *id == seal.key) else { return SealVerdict::UnknownKey };
        match UnparsedPublicKey::new(&ED25519, key).verify(bytes, &seal.signature) {
            Ok(()) => SealVerdict::Valid,
            Err(_) => SealVerdict::Invalid,
        }
    }
}

/// The first 64 bits of the key's SHA-256.
fn id_of(key: &[u8]) -> Option<FreeName> {
    let mut id = String::new();
    for byte in Sha256::digest(key).iter().take(8) {
        write!(id, "{byte:02x}").ok()?;
    }
    FreeName::parse(&id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test of RFC 8032, section 7.1, as OpenSSL writes its key.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

    #[test]
    fn a_signature_is_the_known_one_and_valid_for_its_bytes_alone() {
        let key = SigningKey::from_pem(PRIVATE).unwrap();
        let seal = key.seal(b"").unwrap();
        assert_eq!(seal.signature[..4], [0xe5, 0x56, 0x43, 0x00]);
        let mut keys = PublicKeys::default();
        assert_eq!(keys.verdict(b"", &seal), SealVerdict::Unchecked);
        keys.add_pem(PUBLIC).unwrap();
        for keys in [&keys, &key.public()] {
            assert_eq!(keys.verdict(b"", &seal), SealVerdict::Valid);
            assert_eq!(keys.verdict(b"x", &seal), SealVerdict::Invalid);
            let other = Seal { key: FreeName::parse("other").unwrap(), ..seal.clone() };
            assert_eq!(keys.verdict(b"", &other), SealVerdict::UnknownKey);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", PUBLIC, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(SigningKey::from_pem(text).err(), Some(KeyError::Private), "{text}");
        }
        for text in ["", PRIVATE, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert_eq!(PublicKeys::default().add_pem(text), Err(KeyError::Public), "{text}");
        }
    }
}
