//! The signatures of the vendors' SDKs: what a request claims, and whether a secret made its signature.

pub(super) mod acs3;
mod canonical;
pub(super) mod sdk_hmac;
#[cfg(test)]
mod tests;
mod times;
mod v1;

use std::fmt;

use aws_lc_rs::hmac;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::parameters::Parameters;
use super::request::ReceivedRequest;
use crate::domain::time::Timestamp;
use crate::ports::{SIGNATURE_WINDOW, SignatureProblem, SignatureRefusal, SignedRequest};

/// Longest nonce.
const LONGEST_NONCE: usize = 128;

/// What a signed request claims.
pub struct ClaimedSignature {
    access_key_id: String,
    at: Timestamp,
    /// Huawei's requests have none.
    nonce: Option<String>,
    algorithm: hmac::Algorithm,
    /// What follows the secret in the key of the HMAC.
    after_secret: &'static str,
    /// What is signed. It may contain passwords, so it is wiped, and never shown.
    string_to_sign: Zeroizing<String>,
    signature: Vec<u8>,
}

impl ClaimedSignature {
    /// Reads the signature of a request: by its `Authorization`, or else by its parameters.
    ///
    /// # Errors
    /// The first problem.
    pub fn of(request: &ReceivedRequest<'_>, parameters: &Parameters) -> Result<Self, SignatureProblem> {
        if !request.headers.contains_key(AUTHORIZATION) {
            return v1::claimed(request, parameters);
        }
        let authorization =
            request.header(AUTHORIZATION.as_str()).ok_or(SignatureProblem::Malformed("Authorization"))?;
        let (algorithm, parts) = authorization.split_once(' ').ok_or(SignatureProblem::Algorithm)?;
        match algorithm {
            acs3::ALGORITHM => acs3::claimed(request, parts),
            sdk_hmac::ALGORITHM => sdk_hmac::claimed(request, parts),
            _ => Err(SignatureProblem::Algorithm),
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl ClaimedSignature {
    /// The same request, signed with that secret.
    pub(in crate::http) fn signed_with(self, secret: &str) -> Self {
        let key = hmac::Key::new(self.algorithm, [secret, self.after_secret].concat().as_bytes());
        let signature = hmac::sign(&key, self.string_to_sign.as_bytes()).as_ref().to_vec();
        Self { signature, ..self }
    }
}

impl SignedRequest for ClaimedSignature {
    fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    fn signed_at(&self) -> Timestamp {
        self.at
    }

    fn proven(&self, secret: &str, now: Timestamp) -> Result<(), SignatureRefusal> {
        if now > self.at.after(SIGNATURE_WINDOW) || self.at > now.after(SIGNATURE_WINDOW) {
            return Err(SignatureRefusal::Expired);
        }
        let key = Zeroizing::new([secret, self.after_secret].concat());
        let key = hmac::Key::new(self.algorithm, key.as_bytes());
        let verified = hmac::verify(&key, self.string_to_sign.as_bytes(), &self.signature);
        verified.map_err(|_| SignatureRefusal::Mismatch)
    }
}

impl fmt::Debug for ClaimedSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClaimedSignature").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A nonce: any text of 1 to 128 characters.
fn nonce(text: Option<&str>) -> Result<Option<String>, SignatureProblem> {
    let text = text.filter(|text| !text.is_empty() && text.chars().count() <= LONGEST_NONCE);
    text.map(|text| Some(text.to_owned())).ok_or(SignatureProblem::Malformed("nonce"))
}

/// Bytes that are written as lower-case hexadecimal digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(high)? << 4 | digit(low)?) } else { None }).collect()
}
