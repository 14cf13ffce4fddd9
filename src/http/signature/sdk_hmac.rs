//! `SDK-HMAC-SHA256`, the signature of Huawei Cloud's SDKs: in headers, without a nonce.

use std::borrow::Cow;

use aws_lc_rs::hmac::HMAC_SHA256;
use zeroize::Zeroizing;

use super::canonical::{Authorization, sha256_hex};
use super::{ClaimedSignature, SignatureProblem, times};
use crate::http::request::ReceivedRequest;

pub(in crate::http) const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// Where a request may name the digest of its body.
const CONTENT_DIGEST: &str = "x-sdk-content-sha256";
/// Where a request has its client token, which is ours and not the vendor's.
pub(in crate::http) const CLIENT_TOKEN: &str = "x-client-token";

pub(super) fn claimed(request: &ReceivedRequest<'_>, parts: &str) -> Result<ClaimedSignature, SignatureProblem> {
    let authorization = Authorization::parse(parts, "Access")?;
    authorization.demand("host")?;
    authorization.demand("x-sdk-date")?;
    if !request.body.is_empty() && request.headers.contains_key("content-type") {
        authorization.demand("content-type")?;
    }
    if request.headers.contains_key(CLIENT_TOKEN) {
        authorization.demand(CLIENT_TOKEN)?;
    }
    let body_digest = sha256_hex(request.body);
    // `UNSIGNED-PAYLOAD` too: a password has to be signed.
    if request.headers.contains_key(CONTENT_DIGEST) && request.header(CONTENT_DIGEST) != Some(&body_digest) {
        return Err(SignatureProblem::BodyDigest);
    }
    let path = if request.path.ends_with('/') { Cow::from(request.path) } else { format!("{}/", request.path).into() };
    let digest = authorization.canonical_digest(request, &path, &body_digest)?;
    let date = request.header("x-sdk-date").ok_or(SignatureProblem::Time)?;
    Ok(ClaimedSignature {
        access_key_id: authorization.key_id.to_owned(),
        at: times::basic(date).ok_or(SignatureProblem::Time)?,
        nonce: None,
        algorithm: HMAC_SHA256,
        after_secret: "",
        string_to_sign: Zeroizing::new(format!("{ALGORITHM}\n{date}\n{digest}")),
        signature: authorization.signature,
    })
}
