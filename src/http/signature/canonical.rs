//! What `ACS3-HMAC-SHA256` and `SDK-HMAC-SHA256` have in common: the parts of `Authorization`, and the canonical request.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::SignatureProblem;
use crate::http::parameters::Parameters;
use crate::http::request::ReceivedRequest;

/// The parts of `Authorization` after the algorithm.
pub(super) struct Authorization<'a> {
    pub(super) key_id: &'a str,
    /// The names of the signed headers, in lower case and in order.
    pub(super) signed: Vec<&'a str>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Authorization<'a> {
    /// Parses `<key>=<id>,SignedHeaders=<names>,Signature=<hex>`, in any order, with or without spaces after the commas.
    pub(super) fn parse(parts: &'a str, key: &str) -> Result<Self, SignatureProblem> {
        let (mut key_id, mut signed, mut signature) = (None, None, None);
        for part in parts.split(',') {
            let (name, value) =
                part.trim_ascii().split_once('=').ok_or(SignatureProblem::Malformed("Authorization"))?;
            let place = match name {
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                name if name == key => &mut key_id,
                _ => return Err(SignatureProblem::Malformed("Authorization")),
            };
            if place.replace(value).is_some() || value.is_empty() {
                return Err(SignatureProblem::Malformed("Authorization"));
            }
        }
        let missing = SignatureProblem::Malformed("Authorization");
        let signed: Vec<_> = signed.ok_or(missing)?.split(';').collect();
        let is_ordered = signed.is_sorted_by(|one, other| one < other);
        if !is_ordered || signed.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Err(SignatureProblem::Malformed("SignedHeaders"));
        }
        let signature = super::from_hex(signature.ok_or(missing)?).ok_or(SignatureProblem::Malformed("Signature"))?;
        Ok(Self { key_id: key_id.ok_or(missing)?, signed, signature })
    }

    /// Checks that a header is signed.
    pub(super) fn demand(&self, name: &'static str) -> Result<(), SignatureProblem> {
        let is_signed = self.signed.contains(&name);
        is_signed.then_some(()).ok_or(SignatureProblem::HeaderNotSigned(name))
    }

    /// The digest of the canonical request, in hexadecimal digits. The parameters of its query are covered one by one, those
    /// of a form by the digest of the body. Each signed header has to be there exactly once.
    pub(super) fn canonical_digest(
        &self,
        request: &ReceivedRequest<'_>,
        path: &str,
        body_digest: &str,
    ) -> Result<String, SignatureProblem> {
        let query = Parameters::parse(request.query, "").map_err(|_| SignatureProblem::Malformed("query"))?;
        let (query, signed) = (query.canonical(None), self.signed.join(";"));
        let mut parts = vec![request.method.as_str(), "\n", path, "\n", &query, "\n"];
        for name in &self.signed {
            let value = request.header(name).ok_or(SignatureProblem::Malformed("SignedHeaders"))?;
            parts.extend([name, ":", value.trim_ascii(), "\n"]);
        }
        parts.extend(["\n", &signed, "\n", body_digest]);
        // In one piece: a text that grows would leave copies of passwords behind.
        Ok(sha256_hex(Zeroizing::new(parts.concat()).as_bytes()))
    }
}

/// The SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to a text never fails.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
