//! Encrypted denials: AES-256-GCM under a key for each message, which is derived from one of the ring (RFC 5869).
//!
//! Every message is 1,600 characters of unpadded base64url, because a varying length would tell a refused caller about
//! policies and resources that it may not see. In bytes:
//!
//! | 1 | 8 | 16 | 12 | 1,147 | 16 |
//! |---|---|---|---|---|---|
//! | the form | the key's id | salt | nonce | encrypted JSON, padded with spaces | tag |
//!
//! Refused callers decide how many messages there are. With a random salt of its own, and so a key, for each one, their
//! number has no limit that matters; under a single key it would be 2³² (NIST SP 800-38D, section 8.3).

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::HKDF_SHA256;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::KeyRing;
use super::key::PepperKey;
use crate::domain::action::Action;
use crate::domain::denial::Denial;
use crate::domain::names::AuthorizationMessage;
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::{DenialCipher, DenialProblem, Entropy};

/// Separates the derived keys and the authenticated data from those of any other purpose (`SealPurpose`).
const LABEL: &[u8] = b"credentiald denial 1 ";
/// The only form so far.
const FORM: u8 = 1;
const ID_BYTES: usize = 8;
const SALT_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + ID_BYTES;
/// Has room for the longest names and two ids of policies, and for about twenty with usual names. Behind a proxy with buffers
/// of 4 KiB, the error still arrives.
const CONTENT_BYTES: usize = 1147;
const MESSAGE_BYTES: usize = HEADER_BYTES + SALT_BYTES + NONCE_LEN + CONTENT_BYTES + MAX_TAG_LEN;

/// What is encrypted.
#[derive(Serialize, Deserialize)]
struct Content {
    time: i64,
    seconds: u64,
    request_id: String,
    caller: String,
    action: String,
    resource: String,
    explicit: bool,
    policies: Vec<String>,
    left_out: u32,
}

impl PepperKey {
    /// The id of its keys for denials. Derived, too: the ids of the ring are not for callers.
    fn denial_id(&self) -> Option<[u8; ID_BYTES]> {
        let mut id = [0; 32];
        self.derives.expand(&[LABEL, b"id"], HKDF_SHA256).ok()?.fill(&mut id).ok()?;
        id.first_chunk().copied()
    }

    /// The key of the denial with that salt.
    fn denial_key(&self, salt: &[u8; SALT_BYTES]) -> Option<LessSafeKey> {
        let info = [LABEL, b"key", salt];
        self.derives.expand(&info, &AES_256_GCM).ok().map(|key| LessSafeKey::new(UnboundKey::from(key)))
    }

    fn encrypt_denial(&self, denial: &Denial, tenant: Option<TenantId>, entropy: &dyn Entropy) -> Option<Vec<u8>> {
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_LEN]);
        entropy.fill(&mut salt);
        entropy.fill(&mut nonce);
        let header = [&[FORM], &self.denial_id()?[..]].concat();
        let mut content = Content::of(denial)?;
        let aad = Aad::from(bound_to(&header, tenant));
        let unique = Nonce::assume_unique_for_key(nonce);
        let tag = self.denial_key(&salt)?.seal_in_place_separate_tag(unique, aad, &mut content).ok()?;
        Some([&header, &salt[..], &nonce, &content, tag.as_ref()].concat())
    }

    fn decrypt_denial(&self, header: &[u8], rest: &mut [u8], tenant: Option<TenantId>) -> Option<Denial> {
        let (salt, rest) = rest.split_first_chunk_mut()?;
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE_LEN>()?;
        let (nonce, aad) = (Nonce::assume_unique_for_key(*nonce), Aad::from(bound_to(header, tenant)));
        let content = self.denial_key(salt)?.open_in_place(nonce, aad, sealed).ok()?;
        serde_json::from_slice::<Content>(content).ok()?.denial()
    }
}

/// The data authenticated together with a denial. It is unambiguous: all parts have a fixed length, and only the last can
/// be absent.
fn bound_to(header: &[u8], tenant: Option<TenantId>) -> Vec<u8> {
    [LABEL, header, tenant.as_ref().map_or(&[], |tenant| tenant.0.as_bytes())].concat()
}

impl Content {
    /// The content of a message, padded, with as many policies as it has room for.
    fn of(denial: &Denial) -> Option<Vec<u8>> {
        let mut content = Self {
            time: denial.at.as_micros(),
            seconds: denial.readable_for.as_secs(),
            request_id: denial.request_id.to_string(),
            caller: denial.caller.clone(),
            action: denial.action.name().to_owned(),
            resource: denial.resource.clone(),
            explicit: denial.is_explicit,
            policies: Vec::new(),
            left_out: u32::MAX,
        };
        let mut room = CONTENT_BYTES.checked_sub(serde_json::to_vec(&content).ok()?.len())?;
        // The characters of ids need no escapes: an id takes two quotes and a comma.
        let fits = |id: &&String| room.checked_sub(id.len() + 3).map(|left| room = left).is_some();
        content.policies = denial.policies.iter().take_while(fits).cloned().collect();
        let left_out = denial.policies.len() - content.policies.len();
        content.left_out = u32::try_from(left_out).unwrap_or(u32::MAX);
        let mut bytes = serde_json::to_vec(&content).ok()?;
        bytes.resize(CONTENT_BYTES.max(bytes.len()), b' ');
        (bytes.len() == CONTENT_BYTES).then_some(bytes)
    }

    fn denial(self) -> Option<Denial> {
        Some(Denial {
            at: Timestamp::from_micros(self.time),
            readable_for: Duration::from_secs(self.seconds),
            request_id: Uuid::parse_str(&self.request_id).ok()?,
            caller: self.caller,
            action: Action::of(&self.action)?,
            resource: self.resource,
            is_explicit: self.explicit,
            policies: self.policies,
            left_out: self.left_out,
        })
    }
}

impl DenialCipher for KeyRing {
    fn encrypt(&self, denial: &Denial, tenant: Option<TenantId>) -> Option<AuthorizationMessage> {
        let message = self.keys.first()?.encrypt_denial(denial, tenant, self.entropy.as_ref())?;
        AuthorizationMessage::parse(&BASE64_URL_SAFE_NO_PAD.encode(message)).ok()
    }

    fn decrypt(&self, message: &AuthorizationMessage, tenant: Option<TenantId>) -> Result<Denial, DenialProblem> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(message.as_str()).map_err(|_| DenialProblem::Malformed)?;
        if bytes.len() != MESSAGE_BYTES || bytes.first() != Some(&FORM) {
            return Err(DenialProblem::Malformed);
        }
        let (header, rest) = bytes.split_at_mut_checked(HEADER_BYTES).ok_or(DenialProblem::Malformed)?;
        let has_id = |key: &&PepperKey| key.denial_id().is_some_and(|id| header.ends_with(&id));
        let key = self.keys.iter().find(has_id).ok_or(DenialProblem::UnknownKey)?;
        key.decrypt_denial(header, rest, tenant).ok_or(DenialProblem::DoesNotOpen)
    }
}

#[cfg(test)]
mod tests;
