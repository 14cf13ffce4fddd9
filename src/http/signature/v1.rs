//! Version 1 of Alibaba Cloud's signatures: in the parameters, which it covers, wherever they are. No header is signed.

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::{ClaimedSignature, SignatureProblem, nonce, times};
use crate::http::parameters::Parameters;
use crate::http::percent::append_encoded;
use crate::http::request::ReceivedRequest;

const SIGNATURE: &str = "Signature";

pub(super) fn claimed(
    request: &ReceivedRequest<'_>,
    parameters: &Parameters,
) -> Result<ClaimedSignature, SignatureProblem> {
    let signature = parameters.value(SIGNATURE).ok_or(SignatureProblem::Absent)?;
    let value = |name: &'static str| parameters.value(name).ok_or(SignatureProblem::Malformed(name));
    let algorithm = match value("SignatureMethod")? {
        "HMAC-SHA1" => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "HMAC-SHA256" => HMAC_SHA256,
        _ => return Err(SignatureProblem::Algorithm),
    };
    if value("SignatureVersion")? != "1.0" {
        return Err(SignatureProblem::Algorithm);
    }
    let mut string_to_sign = Zeroizing::new(format!("{}&%2F&", request.method));
    append_encoded(&mut string_to_sign, &parameters.canonical(Some(SIGNATURE)));
    Ok(ClaimedSignature {
        access_key_id: value("AccessKeyId")?.to_owned(),
        at: times::extended(value("Timestamp")?).ok_or(SignatureProblem::Time)?,
        nonce: nonce(parameters.value("SignatureNonce"))?,
        algorithm,
        after_secret: "&",
        string_to_sign,
        signature: BASE64_STANDARD.decode(signature).map_err(|_| SignatureProblem::Malformed(SIGNATURE))?,
    })
}
