//! Requests as the vendors' SDKs sent them, with a fixed clock and nonce, and as their documents have them.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NONCE: &str = "00112233445566778899aabbccddeeff";
/// 2026-01-02T03:04:05Z.
const AT: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);
const QUERY: &str = "NewPassword=N%D1%91+w%26%3D%25%2F1%22%5C&OldPassword=old+pw%2B1~%2A%21%27%28%29";

/// A request that a test may alter.
#[derive(Clone)]
pub(super) struct Request {
    method: Method,
    pub(super) path: String,
    query: String,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Request {
    fn post(path: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let header = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        Self {
            method: Method::POST,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.iter().map(header).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(super) fn claimed(&self) -> Result<ClaimedSignature, SignatureProblem> {
        let Self { method, path, query, headers, body } = self;
        let request = ReceivedRequest { method, path, query, headers, body };
        let parameters = request.parameters().map_err(|_| SignatureProblem::Malformed("parameters"))?;
        ClaimedSignature::of(&request, &parameters)
    }

    pub(super) fn problem(&self) -> Option<SignatureProblem> {
        self.claimed().err()
    }

    pub(super) fn is_signed_with(&self, secret: &str) -> bool {
        self.claimed().is_ok_and(|claimed| claimed.proven(secret, claimed.at).is_ok())
    }
}

fn acs3(signed: &str, signature: &str) -> String {
    format!("ACS3-HMAC-SHA256 Credential=AKID,SignedHeaders={signed},Signature={signature}")
}

/// The current Python SDK (G1), the vendor's parameters in the query.
fn python() -> Request {
    let authorization = acs3(
        "accept;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;\
         x-acs-signature-nonce;x-acs-version",
        "e253d2941eac533879fe38e834abbf23138456e2e0ca66a4b517c5482acb4444",
    );
    let headers = [
        ("host", "127.0.0.1:18801"),
        ("x-acs-version", "2015-05-01"),
        ("x-acs-action", "ChangePassword"),
        ("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"),
        ("x-acs-date", "2026-01-02T03:04:05Z"),
        ("x-acs-signature-nonce", NONCE),
        ("accept", "application/json"),
        ("x-acs-content-sha256", EMPTY),
        ("x-acs-credentials-provider", "static_ak"),
        ("authorization", &authorization),
        ("accept-encoding", "identity"),
        ("content-length", "0"),
    ];
    Request::post("/", QUERY, &headers, "")
}

/// The same SDK with a form (G3).
fn python_with_form() -> Request {
    let authorization = acs3(
        "accept;content-type;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;\
         x-acs-signature-nonce;x-acs-version",
        "c99dba35a2ea894845b51b4a3dcff219912f24620b5aa02067e3ef2c57abfe3a",
    );
    let digest = "215f9a6de82f85d62f715c8cbda893201af2ed81fb1ce49ea0b84d141228ff22";
    let mut request = python().with("content-type", "application/x-www-form-urlencoded");
    request.query.clear();
    request.body = QUERY.into();
    request.with("x-acs-content-sha256", digest).with("authorization", &authorization)
}

/// The current Node SDK with a form (G5). It signs fewer headers, and escapes fewer characters.
fn node_with_form() -> Request {
    let authorization = acs3(
        "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;\
         x-acs-signature-nonce;x-acs-version",
        "bc2d7da0cc5daba21212caa006a4272b6856619d30803c07b2ef968e57e3bede",
    );
    let digest = "412211102b77cc81940ef0d18b4655ccfbf07dc09dc7d1f8bc12e1fb61483eb7";
    let mut request = python_with_form();
    request.body = b"OldPassword=old%20pw%2B1~*!'()&NewPassword=N%D1%91%20w%26%3D%25%2F1%22%5C".to_vec();
    request
        .with("x-acs-content-sha256", digest)
        .with("x-acs-signature-nonce", &NONCE.repeat(2))
        .with("authorization", &authorization)
}

/// The old Python SDK (G6): everything in the query.
pub(super) fn old_python() -> Request {
    let query = "OldPassword=old%20pw%2B1~%2A%21%27%28%29&NewPassword=N%D1%91%20w%26%3D%25%2F1%22%5C&Version=2015-05-01\
                 &Action=ChangePassword&Format=JSON&RegionId=cn-hangzhou&Timestamp=2026-01-02T03%3A04%3A05Z\
                 &SignatureMethod=HMAC-SHA1&SignatureType=&SignatureVersion=1.0\
                 &SignatureNonce=00112233445566778899aabbccddeeff&AccessKeyId=AKID\
                 &Signature=TUbELDa7hoFvTQBHHsIjqed9udU%3D";
    Request::post("/", query, &[("host", "127.0.0.1:18801")], "")
}

/// Huawei's Python SDK (G8).
fn huawei() -> Request {
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "huaweicloud-usdk-python/3.0; test-agent"),
        ("x-domain-id", "dom-1"),
        ("x-sdk-date", "20260102T030405Z"),
        ("host", "127.0.0.1:18801"),
        (
            "authorization",
            "SDK-HMAC-SHA256 Access=AKID, SignedHeaders=content-type;host;user-agent;x-domain-id;x-sdk-date, \
             Signature=6cee25d7af3a7d02ffd83c19918ac94db4431c2ed03a0dccb36242304595b1b9",
        ),
    ];
    let body = r#"{"new_password": "N\u0451 w&=%/1\"\\", "old_password": "old pw+1~*!'()"}"#;
    Request::post("/v5/caller-password", "", &headers, body)
}

fn recorded() -> [(&'static str, Request); 5] {
    [
        ("python", python()),
        ("python with a form", python_with_form()),
        ("node with a form", node_with_form()),
        ("old python", old_python()),
        ("huawei", huawei()),
    ]
}

#[test]
fn the_signatures_of_the_sdks_are_right() {
    for (sdk, request) in recorded() {
        let claimed = request.claimed().unwrap_or_else(|problem| panic!("{sdk}: {problem}"));
        assert_eq!(claimed.proven("SECRET", AT), Ok(()), "{sdk}");
        for wrong in ["SECRET2", ""] {
            assert_eq!(claimed.proven(wrong, AT), Err(SignatureRefusal::Mismatch), "{sdk}");
        }
        assert_eq!((claimed.access_key_id.as_str(), claimed.at), ("AKID", AT), "{sdk}");
        assert_eq!(claimed.nonce.is_none(), sdk == "huawei");
        let shown = format!("{claimed:?}");
        assert!(!shown.contains("old") && !shown.contains("AKID"), "{shown}");
    }
}

/// <https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature>
#[test]
fn the_example_of_the_third_version_is_right() {
    let headers = [
        ("host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-content-sha256", EMPTY),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-version", "2014-05-26"),
        (
            "authorization",
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
        ),
    ];
    let query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai";
    assert!(Request::post("/", query, &headers, "").is_signed_with("YourAccessKeySecret"));
}

#[test]
fn the_example_of_the_first_version_is_right() {
    let query = "Action=CreateUser&UserName=test&Format=JSON&Version=2015-05-01&Timestamp=2015-08-18T03%3A15%3A45Z\
                 &AccessKeyId=testid&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0\
                 &SignatureNonce=6a6e0ca6-4557-11e5-86a2-b8e8563dc8d2&Signature=kRA2cnpJVacIhDMzXnoNZG9tDCI%3D";
    let request = Request { method: Method::GET, ..Request::post("/", query, &[], "") };
    assert!(request.is_signed_with("testsecret"));
    // The method is part of it.
    assert!(!Request { method: Method::POST, ..request }.is_signed_with("testsecret"));
}

#[test]
fn the_first_version_covers_parameters_wherever_they_are() {
    let request = old_python();
    let (in_query, in_form) = request.query.split_at(request.query.find("&Version").unwrap());
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    for (query, body) in [(in_query, in_form), ("", &*request.query), (in_form, in_query)] {
        assert!(Request::post("/", query, &form, body).is_signed_with("SECRET"), "{query}");
    }
    let with_sha256 = old_python().query.replace("HMAC-SHA1", "HMAC-SHA256");
    assert!(!Request::post("/", &with_sha256, &[], "").is_signed_with("SECRET"));
    let signature = "Signature=TUbELDa7hoFvTQBHHsIjqed9udU%3D";
    let other = with_sha256.replace(signature, "Signature=ufgFCv2UBWmK%2BMVLFtEMxIII1jqCsIa3qQP5ifEKoGs%3D");
    assert!(Request::post("/", &other, &[], "").is_signed_with("SECRET"));
}

#[test]
fn any_byte_that_is_altered_makes_the_signature_wrong() {
    for (sdk, request) in recorded() {
        let refuses = |altered: &Request, what: &str| assert!(!altered.is_signed_with("SECRET"), "{sdk}: {what}");
        for position in 0..request.body.len() {
            let mut altered = request.clone();
            altered.body[position] ^= 1;
            refuses(&altered, &format!("byte {position} of the body"));
        }
        for position in 0..request.query.len() {
            let mut bytes = request.query.clone().into_bytes();
            // The digit of an escape may be of either case.
            bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
            let altered = Request { query: String::from_utf8(bytes).unwrap(), ..request.clone() };
            refuses(&altered, &format!("byte {position} of the query"));
        }
        refuses(&Request { method: Method::PUT, ..request.clone() }, "the method");
        refuses(&Request { path: "/v5/other".to_owned(), ..request.clone() }, "the path");
        let signed: BTreeSet<_> = request.headers.get("authorization").map_or_else(BTreeSet::new, |authorization| {
            let text = authorization.to_str().unwrap();
            let names = text.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
            names.split(';').chain(["authorization"]).collect()
        });
        for name in signed {
            let value = request.headers[name].as_bytes();
            for position in 0..value.len() {
                let mut bytes = value.to_vec();
                bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
                let mut altered = request.clone();
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
                altered.headers.insert(name.clone(), value);
                let is_same_caller = altered.claimed().is_ok_and(|claimed| claimed.access_key_id == "AKID");
                assert!(!is_same_caller || !altered.is_signed_with("SECRET"), "{sdk}: byte {position} of {name}");
            }
        }
    }
}

#[test]
fn what_has_to_be_signed_is_demanded() {
    use SignatureProblem as P;
    let unlisted = |request: Request, name: &str| {
        let text = request.headers["authorization"].to_str().unwrap();
        let without = text.replace(&format!("{name};"), "").replace(&format!(";{name},"), ",");
        request.clone().with("authorization", &without)
    };
    for name in ["host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "x-acs-version"]
    {
        assert_eq!(unlisted(python(), name).problem(), Some(P::HeaderNotSigned(name)));
    }
    let token = python().with("x-acs-security-token", "token");
    assert_eq!(token.problem(), Some(P::HeaderNotSigned("x-acs-*")));
    // These may be left out, which makes this signature another one.
    for name in ["accept", "user-agent"] {
        let request = unlisted(python(), name);
        assert!(request.claimed().is_ok() && !request.is_signed_with("SECRET"));
    }
    for name in ["host", "x-sdk-date", "content-type"] {
        assert_eq!(unlisted(huawei(), name).problem(), Some(P::HeaderNotSigned(name)));
    }
    let unsigned = huawei().with("x-client-token", "another");
    assert_eq!(unsigned.problem(), Some(P::HeaderNotSigned("x-client-token")));
    let unsigned = huawei().with("x-sdk-content-sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(unsigned.problem(), Some(P::BodyDigest));
    assert_eq!(python().with("x-acs-content-sha256", "UNSIGNED-PAYLOAD").problem(), Some(P::BodyDigest));
}

#[test]
fn what_can_not_be_understood_is_refused_before_any_key_is_looked_up() {
    use SignatureProblem as P;
    assert_eq!(python().without("authorization").problem(), Some(P::Absent));
    let malformed = Some(P::Malformed("Authorization"));
    for (authorization, problem) in [
        ("Bearer cdt_0", Some(P::Algorithm)),
        ("ACS3-HMAC-SM3 Credential=AKID,SignedHeaders=host,Signature=00", Some(P::Algorithm)),
        ("ACS3-RSA-SHA256 Credential=AKID,SignedHeaders=host,Signature=00", Some(P::Algorithm)),
        ("ACS3-HMAC-SHA256", Some(P::Algorithm)),
        ("ACS3-HMAC-SHA256 ", malformed),
        ("ACS3-HMAC-SHA256 Credential=AKID", malformed),
        ("ACS3-HMAC-SHA256 Access=AKID,SignedHeaders=host,Signature=00", malformed),
        ("ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=00", malformed),
        ("ACS3-HMAC-SHA256 Credential=A,Credential=B,SignedHeaders=host,Signature=00", malformed),
        ("ACS3-HMAC-SHA256 Credential=A,SignedHeaders=host;host,Signature=00", Some(P::Malformed("SignedHeaders"))),
        (
            "ACS3-HMAC-SHA256 Credential=A,SignedHeaders=x-acs-date;host,Signature=00",
            Some(P::Malformed("SignedHeaders")),
        ),
        ("ACS3-HMAC-SHA256 Credential=A,SignedHeaders=Host,Signature=00", Some(P::Malformed("SignedHeaders"))),
        ("ACS3-HMAC-SHA256 Credential=A,SignedHeaders=host,Signature=0", Some(P::Malformed("Signature"))),
        ("ACS3-HMAC-SHA256 Credential=A,SignedHeaders=host,Signature=0G", Some(P::Malformed("Signature"))),
    ] {
        assert_eq!(python().with("authorization", authorization).problem(), problem, "{authorization}");
    }
    let mut twice = python();
    twice.headers.append("authorization", HeaderValue::from_static("Bearer x"));
    assert_eq!(twice.problem(), malformed);
    let mut two_hosts = python();
    two_hosts.headers.append("host", HeaderValue::from_static("elsewhere"));
    assert_eq!(two_hosts.problem(), Some(P::Malformed("SignedHeaders")));
    for date in ["", "2026-01-02", "20260102T030405Z", "Fri, 02 Jan 2026 03:04:05 GMT"] {
        assert_eq!(python().with("x-acs-date", date).problem(), Some(P::Time), "{date}");
    }
    assert_eq!(huawei().with("x-sdk-date", "2026-01-02T03:04:05Z").problem(), Some(P::Time));
    assert_eq!(python().with("x-acs-signature-nonce", &"n".repeat(129)).problem(), Some(P::Malformed("nonce")));

    let altered = |from: &str, to: &str| {
        let query = old_python().query;
        assert!(query.contains(from), "{from}");
        Request { query: query.replace(from, to), ..old_python() }.problem()
    };
    assert_eq!(altered("HMAC-SHA1", "HMAC-MD5"), Some(P::Algorithm));
    assert_eq!(altered("Version=1.0", "Version=2.0"), Some(P::Algorithm));
    assert_eq!(altered("&AccessKeyId=AKID", ""), Some(P::Malformed("AccessKeyId")));
    assert_eq!(altered("SignatureNonce=", "SignatureNonce=&x="), Some(P::Malformed("nonce")));
    assert_eq!(altered("Timestamp=", "Timestamp=x"), Some(P::Time));
    assert_eq!(altered("udU%3D", "udU"), Some(P::Malformed("Signature")));
}

#[test]
fn a_request_is_accepted_for_fifteen_minutes_either_way() {
    let claimed = python().claimed().unwrap();
    let at = |seconds: i64| Timestamp::from_micros(AT.as_micros() + seconds * 1_000_000);
    for (now, outcome) in [
        (at(0), Ok(())),
        (at(900), Ok(())),
        (at(-900), Ok(())),
        (at(901), Err(SignatureRefusal::Expired)),
        (at(-901), Err(SignatureRefusal::Expired)),
        (Timestamp::from_micros(i64::MAX), Err(SignatureRefusal::Expired)),
        (Timestamp::from_micros(i64::MIN), Err(SignatureRefusal::Expired)),
    ] {
        assert_eq!(claimed.proven("SECRET", now), outcome, "{now:?}");
    }
}

proptest! {
    #[test]
    fn no_request_makes_the_parsers_panic(authorization in any::<String>(), query in any::<String>(), body: Vec<u8>) {
        let Ok(value) = HeaderValue::from_bytes(authorization.as_bytes()) else { return Ok(()) };
        let beginnings = ["", "ACS3-HMAC-SHA256 ", "SDK-HMAC-SHA256 Access=A, SignedHeaders=host;x-sdk-date, Signature="];
        for beginning in beginnings {
            let value = HeaderValue::from_bytes(&[beginning.as_bytes(), value.as_bytes()].concat()).unwrap();
            let mut request = huawei();
            request.headers.insert("authorization", value);
            (request.query, request.body) = (query.clone(), body.clone());
            prop_assert!(!request.is_signed_with("SECRET"));
        }
    }

    #[test]
    fn what_a_secret_signs_is_right_for_that_secret_alone(
        secret in "[!-~]{1,40}",
        other in "[!-~]{1,40}",
        password in any::<String>(),
    ) {
        prop_assume!(secret != other);
        let mut form = String::from("Password=");
        crate::http::percent::append_encoded(&mut form, &password);
        let mut request = python_with_form();
        request.body = form.into_bytes();
        let digest = super::canonical::sha256_hex(&request.body);
        let request = request.with("x-acs-content-sha256", &digest);
        let claimed = request.claimed().unwrap();
        let signed = claimed.signed_with(&secret);
        prop_assert_eq!(signed.proven(&secret, AT), Ok(()));
        prop_assert_eq!(signed.proven(&other, AT), Err(SignatureRefusal::Mismatch));
    }
}
