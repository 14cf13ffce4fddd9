//! `ACS3-HMAC-SHA256`, the signature of Alibaba Cloud's current SDKs: in headers.

use aws_lc_rs::hmac::HMAC_SHA256;
use zeroize::Zeroizing;

use super::canonical::{Authorization, sha256_hex};
use super::{ClaimedSignature, SignatureProblem, nonce, times};
use crate::http::request::ReceivedRequest;

pub(in crate::http) const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// Headers that have to be there and signed. The SDKs sign others too, but not all of them the same.
const DEMANDED: [&str; 6] =
    ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"];

pub(super) fn claimed(request: &ReceivedRequest<'_>, parts: &str) -> Result<ClaimedSignature, SignatureProblem> {
    let authorization = Authorization::parse(parts, "Credential")?;
    for name in DEMANDED {
        authorization.demand(name)?;
    }
    for name in request.headers.keys().filter(|name| name.as_str().starts_with("x-acs-")) {
        if !authorization.signed.contains(&name.as_str()) {
            return Err(SignatureProblem::HeaderNotSigned("x-acs-*"));
        }
    }
    let body_digest = sha256_hex(request.body);
    if request.header("x-acs-content-sha256") != Some(&body_digest) {
        return Err(SignatureProblem::BodyDigest);
    }
    let digest = authorization.canonical_digest(request, request.path, &body_digest)?;
    Ok(ClaimedSignature {
        access_key_id: authorization.key_id.to_owned(),
        at: request.header("x-acs-date").and_then(times::extended).ok_or(SignatureProblem::Time)?,
        nonce: nonce(request.header("x-acs-signature-nonce"))?,
        algorithm: HMAC_SHA256,
        after_secret: "",
        string_to_sign: Zeroizing::new(format!("{ALGORITHM}\n{digest}")),
        signature: authorization.signature,
    })
}
