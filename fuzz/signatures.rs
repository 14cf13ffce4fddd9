//! No request makes the parsers of signatures panic, and what a secret signed is proven by that secret alone, in its time.

use credentiald::http::fuzzing::signed_with;
use credentiald::http::{ClaimedSignature, ReceivedRequest};
use credentiald::ports::{SIGNATURE_WINDOW, SignatureRefusal, SignedRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::texts;

/// A first line, lines of headers, an empty line, and the body.
pub fn head_and_body(bytes: &[u8]) -> Option<(&str, HeaderMap, &[u8])> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        line
    };
    let first = std::str::from_utf8(line()).ok()?;
    let mut headers = HeaderMap::new();
    loop {
        let line = line();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some((first, headers, rest))
}

/// Requests with Alibaba Cloud's third signature.
pub fn run_acs3(bytes: &[u8]) {
    run("ACS3", bytes);
}

/// Requests with Alibaba Cloud's first signature, which is among the parameters.
pub fn run_v1(bytes: &[u8]) {
    run("", bytes);
}

/// Requests with Huawei Cloud's signature.
pub fn run_sdk_hmac(bytes: &[u8]) {
    run("SDK-HMAC", bytes);
}

/// Requests whose `Authorization` begins with that form's name, or who have none if it is empty. The first line has the
/// method and the target.
fn run(form: &str, bytes: &[u8]) {
    let Some((first, headers, body)) = head_and_body(bytes) else { return };
    let named = headers.get("authorization").map_or(&[][..], HeaderValue::as_bytes);
    if !named.starts_with(form.as_bytes()) || named.is_empty() != form.is_empty() {
        return;
    }
    let (method, target) = first.split_once(' ').unwrap_or(("POST", first));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let request = ReceivedRequest { method: &method, path, query, headers: &headers, body };
    let Ok(parameters) = request.parameters() else { return };
    let Ok(claimed) = ClaimedSignature::of(&request, &parameters) else { return };
    let at = claimed.signed_at();
    assert!(!claimed.access_key_id().is_empty() || !headers.contains_key("authorization"));
    assert_eq!(claimed.proven("secret", at), Err(SignatureRefusal::Mismatch));
    let signed = signed_with(claimed, "secret");
    assert_eq!(signed.proven("secret", at), Ok(()));
    assert_eq!(signed.proven("other", at), Err(SignatureRefusal::Mismatch));
    for late in [at.after(2 * SIGNATURE_WINDOW), at.before(2 * SIGNATURE_WINDOW)] {
        assert_eq!(signed.proven("secret", late), Err(SignatureRefusal::Expired));
    }
}

/// With a known algorithm, and with an unknown one.
pub fn acs3_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "POST /?NewPassword=N%D1%91+w&OldPassword=old+pw%2B1~\nhost: 127.0.0.1:18801\nx-acs-version: 2015-05-01\n\
         x-acs-action: ChangePassword\nx-acs-date: 2026-01-02T03:04:05Z\n\
         x-acs-signature-nonce: 00112233445566778899aabbccddeeff\n\
         x-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         authorization: ACS3-HMAC-SHA256 Credential=AKID,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;\
         x-acs-signature-nonce;x-acs-version,Signature=e253d2941eac533879fe38e834abbf23138456e2e0ca66a4b517c5482acb4444\n\n",
        "POST /\nauthorization: ACS3-HMAC-SM3 Credential=A,SignedHeaders=host,Signature=00\n\n",
    ])
}

/// By the query and a form, and by the query alone.
pub fn v1_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "POST /?Version=2015-05-01&Action=ChangePassword&Timestamp=2026-01-02T03%3A04%3A05Z&SignatureMethod=HMAC-SHA1\
         &SignatureType=&SignatureVersion=1.0&SignatureNonce=0011&AccessKeyId=AKID\
         &Signature=TUbELDa7hoFvTQBHHsIjqed9udU%3D\ncontent-type: application/x-www-form-urlencoded\n\n\
         OldPassword=old%20pw&NewPassword=N%D1%91",
        "GET /?Action=ChangePassword&Timestamp=2026-01-02T03:04:05.1Z&SignatureMethod=HMAC-SHA256&SignatureVersion=1.0\
         &SignatureNonce=0011&AccessKeyId=AKID&Signature=ufgFCv2UBWmK%2BMVLFtEMxIII1jqCsIa3qQP5ifEKoGs%3D\n\n",
    ])
}

/// A request with a body.
pub fn sdk_hmac_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "POST /v5/caller-password\ncontent-type: application/json\nhost: 127.0.0.1:18801\nx-sdk-date: 20260102T030405Z\n\
         authorization: SDK-HMAC-SHA256 Access=AKID, SignedHeaders=content-type;host;x-sdk-date, \
         Signature=6cee25d7af3a7d02ffd83c19918ac94db4431c2ed03a0dccb36242304595b1b9\n\n\
         {\"new_password\": \"a\", \"old_password\": \"b\"}",
    ])
}
