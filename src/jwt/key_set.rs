//! A set of an issuer's keys (RFC 7517).

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Verification};
use super::json;
use crate::ports::JwtRefusal;

/// Sizes of the modulus of an RSA key, in bytes. A longer one makes each verification expensive.
const RSA_BYTES: RangeInclusive<usize> = 256..=512;
/// The first byte of an uncompressed point of a curve (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The keys of an issuer that can be used.
pub(super) struct KeySet(Vec<Arc<Key>>);

/// A key: its id, and its parsed form for each algorithm that it may be used with.
pub(super) struct Key {
    id: String,
    usable: Vec<(&'static Algorithm, ParsedPublicKey)>,
}

/// A key that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SkippedKey {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Why it is not used.
    pub reason: &'static str,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(formatter, "the key {id:?} {}", self.reason),
            None => write!(formatter, "a key without an id {}", self.reason),
        }
    }
}

impl KeySet {
    /// Reads a set, for an issuer with these algorithms. Returns also the keys that are not used, or `None` if the text
    /// is no set of keys.
    pub(super) fn parse(text: &[u8], allowed: &[&'static Algorithm]) -> Option<(Self, Vec<SkippedKey>)> {
        let set = json::object(text)?;
        let Value::Array(listed) = set.get("keys")? else { return None };
        let (mut keys, mut skipped) = (Vec::<Arc<Key>>::new(), Vec::new());
        for listed in listed {
            let Value::Object(key) = listed else { return None };
            let read = Key::read(key, allowed).and_then(|key| {
                if keys.iter().any(|other| other.id == key.id) { Err("has the id of another") } else { Ok(key) }
            });
            match read {
                Ok(key) => keys.push(Arc::new(key)),
                Err(reason) => skipped.push(SkippedKey { id: text_of(key, "kid").map(str::to_owned), reason }),
            }
        }
        Some((Self(keys), skipped))
    }

    /// The key of that id.
    pub(super) fn key(&self, id: &str) -> Result<Arc<Key>, JwtRefusal> {
        self.0.iter().find(|key| key.id == id).cloned().ok_or(JwtRefusal::Key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Key {
    fn read(key: &Map<String, Value>, allowed: &[&'static Algorithm]) -> Result<Self, &'static str> {
        let id = text_of(key, "kid").filter(|id| !id.is_empty()).ok_or("has no id")?;
        if text_of(key, "kty") == Some("oct") {
            return Err("is symmetric: its issuer publishes a secret");
        }
        if key.get("use").is_some_and(|purpose| purpose != "sig") {
            return Err("is not for signatures");
        }
        let verifies = |operations: &Value| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
        };
        if key.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Err("is not for verifying signatures");
        }
        let own = key.get("alg");
        let fitting = allowed.iter().filter(|algorithm| own.is_none_or(|own| own == algorithm.name));
        let mut usable = Vec::new();
        for algorithm in fitting {
            if let Some(public) = public_key(key, algorithm)? {
                usable.push((*algorithm, public));
            }
        }
        if usable.is_empty() {
            return Err("is for no algorithm that the issuer may use");
        }
        Ok(Self { id: id.to_owned(), usable })
    }

    /// Whether the signature is right. `None` if the key is not for that algorithm.
    pub(super) fn verifies(&self, algorithm: &str, signed: &str, signature: &[u8]) -> Option<bool> {
        let (_, key) = self.usable.iter().find(|(usable, _)| usable.name == algorithm)?;
        Some(key.verify_sig(signed.as_bytes(), signature).is_ok())
    }

    /// Whether it is the same key under the same id.
    pub(super) fn is(&self, other: &Self) -> bool {
        fn bytes(key: &Key) -> Option<&[u8]> {
            key.usable.first().map(|(_, key)| key.as_ref())
        }
        self.id == other.id && bytes(self) == bytes(other)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.id)
    }
}

/// The key in the form that the algorithm takes, or `None` if it is for keys of another type.
fn public_key(key: &Map<String, Value>, algorithm: &Algorithm) -> Result<Option<ParsedPublicKey>, &'static str> {
    const BROKEN: &str = "can't be read";
    let bytes = |name| URL_SAFE_NO_PAD.decode(text_of(key, name).ok_or(BROKEN)?).map_err(|_| BROKEN);
    let (kind, curve) = (text_of(key, "kty"), text_of(key, "crv"));
    let parsed = match algorithm.verification {
        Verification::Rsa(parameters) if kind == Some("RSA") => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            if !RSA_BYTES.contains(&n.len()) {
                return Err("is not of 2048 to 4096 bits");
            }
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
        }
        Verification::Ec(name, parameters) if kind == Some("EC") && curve == Some(name) => {
            let point = [vec![UNCOMPRESSED], bytes("x")?, bytes("y")?].concat();
            ParsedPublicKey::new(parameters, point)
        }
        Verification::Ed25519(parameters) if kind == Some("OKP") && curve == Some("Ed25519") => {
            ParsedPublicKey::new(parameters, bytes("x")?)
        }
        _ => return Ok(None),
    };
    parsed.map(Some).map_err(|_| BROKEN)
}

fn text_of<'a>(key: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    key.get(name).and_then(Value::as_str)
}
