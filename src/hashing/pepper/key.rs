//! One key: AES-256-GCM with a random nonce (NIST SP 800-38D). Binds each hash to its subject and version.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::domain::credential::Version;
use crate::domain::names::PepperKeyId;
use crate::domain::sealed::SealPurpose;
use crate::domain::subject::SubjectId;
use crate::ports::Entropy;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// Prefix that separates this use from all other authenticated data, and the number of the format that follows.
const DOMAIN: &[u8] = b"credentiald pepper 1";

/// A key and its id. The library wipes the memory of its keys when it frees it.
pub(super) struct PepperKey {
    id: PepperKeyId,
    key: LessSafeKey,
    /// The keys for other purposes are derived from it (RFC 5869).
    pub(super) derives: Prk,
}

/// The place that a hash is bound to. It does not open at any other.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    pub(super) subject: SubjectId,
    pub(super) version: Version,
}

impl PepperKey {
    pub(super) fn new(id: PepperKeyId, bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        Some(Self { id, key, derives: Salt::new(HKDF_SHA256, &[]).extract(bytes) })
    }

    pub(super) fn id(&self) -> &PepperKeyId {
        &self.id
    }

    /// Nonce, ciphertext and tag in base64.
    pub(super) fn wrap(&self, hash: &str, bound: Bound, entropy: &dyn Entropy) -> Option<String> {
        encrypted(&self.key, hash, self.bound_to(bound), entropy)
    }

    pub(super) fn open(&self, wrapped: &str, bound: Bound) -> Option<String> {
        decrypted(&self.key, wrapped, self.bound_to(bound)).map(|text| text.to_string())
    }

    /// Like [`Self::wrap`], under the key for that purpose.
    pub(super) fn seal(&self, purpose: SealPurpose, bound: &str, text: &str, entropy: &dyn Entropy) -> Option<String> {
        encrypted(&self.key_for(purpose)?, text, self.sealed_with(bound), entropy)
    }

    pub(super) fn unseal(&self, purpose: SealPurpose, bound: &str, sealed: &str) -> Option<Zeroizing<String>> {
        decrypted(&self.key_for(purpose)?, sealed, self.sealed_with(bound))
    }

    fn key_for(&self, purpose: SealPurpose) -> Option<LessSafeKey> {
        let label = [purpose.label().as_bytes()];
        self.derives.expand(&label, &AES_256_GCM).ok().map(|key| LessSafeKey::new(UnboundKey::from(key)))
    }

    /// The data authenticated together with a sealed text. An id contains no space.
    fn sealed_with(&self, bound: &str) -> Vec<u8> {
        format!("{} {bound}", self.id).into_bytes()
    }

    /// The data authenticated together with the hash. It is unambiguous: all parts but the id have a fixed length.
    fn bound_to(&self, bound: Bound) -> Vec<u8> {
        let id = self.id.as_str().as_bytes();
        // An id has at most 32 characters.
        let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
        let version = bound.version.number().to_be_bytes();
        [DOMAIN, &[length], id, bound.subject.0.as_bytes(), &version].concat()
    }
}

/// Nonce, ciphertext and tag in base64.
fn encrypted(key: &LessSafeKey, text: &str, authenticated: Vec<u8>, entropy: &dyn Entropy) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce);
    let mut sealed = Zeroizing::new(text.as_bytes().to_vec());
    let unique = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(unique, Aad::from(authenticated), &mut sealed).ok()?;
    Some(BASE64_STANDARD_NO_PAD.encode([&nonce, sealed.as_slice(), tag.as_ref()].concat()))
}

fn decrypted(key: &LessSafeKey, encrypted: &str, authenticated: Vec<u8>) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(BASE64_STANDARD_NO_PAD.decode(encrypted).ok()?);
    let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
    let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(authenticated), sealed).ok()?;
    String::from_utf8(opened.to_vec()).ok().map(Zeroizing::new)
}

/// A line for a ring: a new key with that id.
pub fn new_key(id: &PepperKeyId, entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(&mut *bytes);
    Zeroizing::new(format!("{id}:{}", *Zeroizing::new(BASE64_STANDARD.encode(*bytes))))
}
