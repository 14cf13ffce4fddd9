//! One key: AES-256-GCM with a random nonce (NIST SP 800-38D). Binds each hash to its subject and version.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::domain::credential::Version;
use crate::domain::names::PepperKeyId;
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
        Some(Self { id, key })
    }

    pub(super) fn id(&self) -> &PepperKeyId {
        &self.id
    }

    /// Nonce, ciphertext and tag in base64.
    pub(super) fn wrap(&self, hash: &str, bound: Bound, entropy: &dyn Entropy) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = Zeroizing::new(hash.as_bytes().to_vec());
        let aad = Aad::from(self.bound_to(bound));
        let tag = self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some(BASE64_STANDARD_NO_PAD.encode([&nonce, sealed.as_slice(), tag.as_ref()].concat()))
    }

    pub(super) fn open(&self, wrapped: &str, bound: Bound) -> Option<String> {
        let mut bytes = BASE64_STANDARD_NO_PAD.decode(wrapped).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(self.bound_to(bound)), sealed).ok()?;
        String::from_utf8(opened.to_vec()).ok()
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

/// A line for a ring: a new key with that id.
pub fn new_key(id: &PepperKeyId, entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(&mut *bytes);
    Zeroizing::new(format!("{id}:{}", *Zeroizing::new(BASE64_STANDARD.encode(*bytes))))
}
