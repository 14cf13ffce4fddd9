//! Version 1 of Alibaba Cloud's signatures: in the parameters, which it covers, wherever they are. It covers no header, no path
//! but `/`, and no body but a form, so others are refused.

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::{ClaimedSignature, SignatureProblem, nonce, times};
use crate::http::parameters::Parameters;
use crate::http::percent::{LONGEST_ESCAPE, append_encoded};
use crate::http::request::ReceivedRequest;

const SIGNATURE: &str = "Signature";
/// The path that is signed for every request.
const PATH: &str = "/";

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
    if request.path != PATH {
        return Err(SignatureProblem::NotCovered("path"));
    }
    if !request.body.is_empty() && !request.has_form() {
        return Err(SignatureProblem::NotCovered("body"));
    }
    let (method, canonical) = (request.method.as_str(), parameters.canonical(Some(SIGNATURE)));
    let length = method.len() + 2 + LONGEST_ESCAPE * (PATH.len() + canonical.len());
    let mut string_to_sign = Zeroizing::new(String::with_capacity(length));
    string_to_sign.push_str(method);
    for part in [PATH, &canonical] {
        string_to_sign.push('&');
        append_encoded(&mut string_to_sign, part);
    }
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

#[cfg(test)]
mod tests {
    use super::super::tests::old_python;
    use super::*;

    #[test]
    fn a_path_and_a_body_that_are_not_covered_are_refused() {
        for path in ["", "//", "/v5/caller-password", "/%2F"] {
            let mut request = old_python();
            request.path = path.to_owned();
            assert_eq!(request.problem(), Some(SignatureProblem::NotCovered("path")), "{path}");
        }
        let sent = |body: &str, content_type: &str| {
            let mut request = old_python();
            request.body = body.into();
            request.with("content-type", content_type)
        };
        for content_type in ["", "application/json", "application/octet-stream"] {
            let problem = sent("a=1", content_type).problem();
            assert_eq!(problem, Some(SignatureProblem::NotCovered("body")), "{content_type}");
        }
        let form = sent("a=1", "application/x-www-form-urlencoded; charset=utf-8");
        assert!(form.claimed().is_ok() && !form.is_signed_with("SECRET"));
        assert!(sent("", "application/octet-stream").is_signed_with("SECRET"));
    }
}
