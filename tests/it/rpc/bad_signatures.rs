//! Signed requests with one thing wrong: each is refused with its vendor's code, and changes nothing. So are those that the
//! service has no time for. And requests that are unusual, but right.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::access_keys::ring;
use crate::support::clock::MovedClock;
use crate::support::signer::{AccessKey, send};
use crate::support::{Client, Setup, World};

const CURRENT: &str = "OldPass12+x";
const NEW: &str = "NewPass34xy";
const CHANGE: [&str; 2] = ["ChangePassword", "2015-05-01"];

/// The form of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Acs3,
    V1,
    SdkHmac,
}

use Form::{Acs3, SdkHmac, V1};

impl Form {
    /// A right request that changes the password of the key's owner.
    fn change(self, key: &AccessKey) -> Request<Bytes> {
        let ([action, version], parameters) = (CHANGE, [("OldPassword", CURRENT), ("NewPassword", NEW)]);
        match self {
            Acs3 => key.acs3(action, version, &parameters),
            V1 => key.v1(action, version, &parameters),
            SdkHmac => key.sdk_hmac("POST", "/v5/caller-password", &own(NEW), None),
        }
    }

    /// What is answered if the parameters are wrong.
    const fn invalid(self) -> Answer {
        if matches!(self, SdkHmac) { (400, "IAM.0007") } else { (400, "InvalidParameter") }
    }

    /// What is answered if the signature is wrong. Huawei has one code for that.
    const fn refused(self, code: &'static str) -> Answer {
        if matches!(self, SdkHmac) { (401, "APIGW.0301") } else { (400, code) }
    }
}

/// The body of Huawei's change.
fn own(new: &str) -> String {
    json!({ "old_password": CURRENT, "new_password": new }).to_string()
}

/// A status, and the vendor's code, which a success does not have.
type Answer = (u16, &'static str);

/// A world whose clock the test moves, and that is called over the edge for SDKs.
struct Edge {
    world: World,
    clock: MovedClock,
}

impl Edge {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(settings: &[(&str, &str)]) -> Self {
        let clock = MovedClock::stopped();
        let setup = Setup::default().with("pepper.keys", &ring()).with("http.listen", "127.0.0.1:0");
        let setup = settings.iter().fold(setup, |setup, (key, value)| setup.with(key, value));
        Self { world: setup.by(&clock).start().await, clock }
    }

    /// A new user, as a request in that form finds it, and an access key of it.
    async fn user(&self, form: Form, name: &str) -> AccessKey {
        let (method, field) =
            if form == SdkHmac { ("CreateIamUser", "user_id") } else { ("CreateRamUser", "user_name") };
        self.world.root.ok(method, json!({ field: name, "password": CURRENT })).await;
        self.key(form, name).await
    }

    async fn key(&self, form: Form, name: &str) -> AccessKey {
        issue(&self.world.root, if form == SdkHmac { "IAM_USER" } else { "RAM_USER" }, name).await
    }

    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        send(self.world.http.unwrap(), request).await
    }

    async fn expect(&self, what: &str, request: Request<Bytes>, expected: Answer) {
        let response = self.send(request).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let code = body.get("Code").or(body.get("error_code")).and_then(Value::as_str).unwrap_or_default();
        assert_eq!((response.status().as_u16(), code), expected, "{what}: {body}");
    }
}

async fn issue(root: &Client, kind: &str, name: &str) -> AccessKey {
    root.access_key(kind, name).await
}

/// The request with that at the end of its query.
fn asking(mut request: Request<Bytes>, more: &str) -> Request<Bytes> {
    let separator = if request.uri().query().is_some() { '&' } else { '?' };
    *request.uri_mut() = format!("{}{separator}{more}", request.uri()).parse().unwrap();
    request
}

/// The request with another value of a parameter, which was not signed.
fn replacing(mut request: Request<Bytes>, name: &str, value: &str) -> Request<Bytes> {
    let query = request.uri().query().unwrap().to_owned();
    let is_it = |pair: &&str| pair.starts_with(&format!("{name}="));
    let replaced = query.split('&').find(is_it).unwrap();
    *request.uri_mut() = format!("/?{}", query.replace(replaced, &format!("{name}={value}"))).parse().unwrap();
    request
}

/// The request with a header that was not signed, or has another value than was signed.
fn with_header(mut request: Request<Bytes>, name: &'static str, value: &str) -> Request<Bytes> {
    request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    request
}

/// The request with another text in its `Authorization`.
fn authorized(request: Request<Bytes>, from: &str, to: &str) -> Request<Bytes> {
    let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
    assert!(authorization.contains(from), "{authorization}");
    with_header(request, "authorization", &authorization.replace(from, to))
}

/// Requests that are wrong whenever they come.
fn wrong(form: Form, key: &AccessKey) -> Vec<(String, Request<Bytes>, Answer)> {
    let right = || form.change(key);
    let incomplete = form.refused("IncompleteSignature");
    let mut cases = Vec::new();
    for query in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c3=1", "a=1&a=1", "a=1&%61=2"] {
        cases.push((query.to_owned(), asking(right(), query), form.invalid()));
    }
    let secret = form.change(&AccessKey { secret: format!("cdk_{}", "0".repeat(64)), ..key.clone() });
    cases.push(("a wrong secret".to_owned(), secret, form.refused("SignatureDoesNotMatch")));
    if form != SdkHmac {
        cases.push(("twice".to_owned(), asking(right(), "OldPassword=x"), form.invalid()));
        let form_type = "application/x-www-form-urlencoded";
        let mut both = with_header(right(), "content-type", form_type);
        *both.body_mut() = "OldPassword=x".into();
        cases.push(("in query and form".to_owned(), both, form.invalid()));
        let other = replacing(right(), "NewPassword", "Other56=Pass");
        cases.push(("another value".to_owned(), other, form.refused("SignatureDoesNotMatch")));
    }
    let times = ["", "Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "1767323045"];
    let other_form = if form == SdkHmac { "2026-01-02T03:04:05Z" } else { "20260102T030405Z" };
    for time in times.into_iter().chain(["Fri, 02 Jan 2026 03:04:05 GMT", other_form]) {
        let request = match form {
            Acs3 => with_header(right(), "x-acs-date", time),
            V1 => replacing(right(), "Timestamp", &time.replace(' ', "%20")),
            SdkHmac => with_header(right(), "x-sdk-date", time),
        };
        cases.push((format!("the time {time:?}"), request, form.refused("IllegalTimestamp")));
    }
    let others: &[(&str, Request<Bytes>)] = match form {
        Acs3 => &[
            ("an absent algorithm", authorized(right(), "ACS3-HMAC-SHA256", "ACS3-HMAC-SM3")),
            ("a header that is not signed", with_header(right(), "x-acs-security-token", "x")),
            ("a header that is not in the list", authorized(right(), ";x-acs-version", "")),
            ("the host is not in the list", authorized(right(), "host;", "")),
        ],
        V1 => &[
            ("an absent algorithm", replacing(right(), "SignatureMethod", "HMAC-MD5")),
            ("an absent version", replacing(right(), "SignatureVersion", "2.0")),
            ("no nonce", replacing(right(), "SignatureNonce", "")),
        ],
        SdkHmac => &[
            ("an absent algorithm", authorized(right(), "SDK-HMAC-SHA256", "V11-HMAC-SHA256")),
            ("a header that is not signed", with_header(right(), "x-client-token", "x")),
            ("the type of the body is not in the list", authorized(right(), "content-type;", "")),
            ("a body that is not signed", with_header(right(), "x-sdk-content-sha256", "UNSIGNED-PAYLOAD")),
        ],
    };
    cases.extend(others.iter().map(|(what, request)| ((*what).to_owned(), request.clone(), incomplete)));
    if form == SdkHmac {
        let doubled = own(NEW).replace('{', r#"{"old_password":"x","#);
        let twice = key.sdk_hmac("POST", "/v5/caller-password", &doubled, None);
        cases.push(("a member twice".to_owned(), twice, form.invalid()));
    }
    cases
}

#[tokio::test]
async fn a_request_with_one_thing_wrong_has_its_vendors_code_and_changes_nothing() {
    let edge = Edge::start().await;
    for (form, name) in [(Acs3, "current"), (V1, "old"), (SdkHmac, "huawei")] {
        let key = edge.user(form, name).await;
        for (what, request, expected) in wrong(form, &key) {
            edge.expect(&format!("{form:?}: {what}"), request, expected).await;
        }
        let expired = form.refused("InvalidTimeStamp.Expired");
        let far = Duration::from_mins(20);
        edge.clock.forward(far);
        edge.expect("20 minutes late", form.change(&key), expired).await;
        edge.clock.back(2 * far);
        edge.expect("20 minutes early", form.change(&key), expired).await;
        edge.clock.forward(far);

        let disabled = edge.key(form, name).await;
        let id = Uuid::parse_str(disabled.id.strip_prefix("CDAK").unwrap()).unwrap();
        let inactive = json!({ "token_id": id.to_string(), "status": "ACCESS_TOKEN_STATUS_INACTIVE" });
        edge.world.root.ok("SetAccessTokenStatus", inactive).await;
        let mismatch = form.refused("SignatureDoesNotMatch");
        edge.expect("a disabled key", form.change(&disabled), mismatch).await;
        let of_deleted = edge.user(form, "gone").await;
        let (method, field) =
            if form == SdkHmac { ("DeleteIamUser", "user_id") } else { ("DeleteRamUser", "user_name") };
        edge.world.root.ok(method, json!({ field: "gone" })).await;
        edge.expect("a key of a deleted user", form.change(&of_deleted), mismatch).await;

        // The password is still the old one, since the right request changes it. It has no effect twice.
        let right = form.change(&key);
        edge.expect("the right request", right.clone(), (200, "")).await;
        let again = if form == SdkHmac { (400, "1103") } else { (400, "SignatureNonceUsed") };
        edge.expect("the same request again", right, again).await;
    }
}

#[tokio::test]
async fn the_same_request_of_huawei_twice_gets_the_ordinary_answer_twice() {
    let edge = Edge::start().await;
    let root = issue(&edge.world.root, "ROOT", "").await;
    let shown = root.sdk_hmac("GET", "/v5/password-policy", "", None);
    for _ in 0..2 {
        edge.expect("a read", shown.clone(), (200, "")).await;
    }
}

#[tokio::test]
async fn a_signature_holds_in_every_form_in_which_a_request_may_be_sent() {
    let edge = Edge::start().await;
    let key = edge.user(SdkHmac, "chunked").await;
    // As SDKs for Node send it.
    let chunked = with_header(SdkHmac.change(&key), "transfer-encoding", "chunked");
    edge.expect("in chunks", chunked, (200, "")).await;

    // As a client sends it to its proxy.
    let mut absolute = Acs3.change(&edge.user(Acs3, "absolute").await);
    *absolute.uri_mut() = format!("http://127.0.0.1:1{}", absolute.uri()).parse().unwrap();
    edge.expect("with an absolute target", absolute, (200, "")).await;

    for (name, header, value) in [
        ("odd-host", "host", "http://h:1"),
        ("odder-host", "host", "h:1/"),
        ("charset", "content-type", "application/json;charset=utf-8"),
    ] {
        let key = edge.user(SdkHmac, name).await;
        let signed = || key.sdk_hmac_with("POST", "/v5/caller-password", &own(NEW), &[(header, value)]);
        let other = with_header(signed(), header, "application/json");
        edge.expect("another value than was signed", other, (401, "APIGW.0301")).await;
        edge.expect(value, signed(), (200, "")).await;
    }
}

#[tokio::test]
async fn an_answer_is_xml_if_the_request_asks_for_it() {
    let edge = Edge::start().await;
    let key = edge.user(Acs3, "alice").await;
    let parameters = [("OldPassword", CURRENT), ("NewPassword", NEW), ("Format", "XML")];
    for (status, root) in [(200, "<ChangePasswordResponse>"), (400, "<Error>")] {
        let response = edge.send(key.acs3(CHANGE[0], CHANGE[1], &parameters)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (status, &HeaderValue::from_static("text/xml;charset=utf-8"))
        );
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(body.starts_with("<?xml") && body.contains(root) && body.contains("<RequestId>"), "{body}");
    }
}

#[tokio::test]
async fn an_answer_is_plain_json_whatever_else_its_caller_accepts() {
    let edge = Edge::start().await;
    for (form, name) in [(Acs3, "current"), (SdkHmac, "huawei")] {
        let key = edge.user(form, name).await;
        for status in [200, 400] {
            let request = with_header(form.change(&key), "accept-encoding", "gzip, deflate, br");
            let response = edge.send(with_header(request, "accept", "text/xml")).await;
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header("content-encoding")), (status, None), "{form:?}");
            assert_eq!(header("content-type"), Some("application/json;charset=utf-8"), "{form:?}");
            assert_eq!(header("content-length"), Some(&*response.body().len().to_string()), "{form:?}");
            assert!(serde_json::from_slice::<Value>(response.body()).unwrap().is_object(), "{form:?}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_done_before_the_deadline_is_refused_and_changes_nothing() {
    // A hash takes longer than a request may.
    let edge = Edge::start_with(&[("http.deadline_milliseconds", "100"), ("hashing.iterations", "40")]).await;
    for (form, field, code) in [(Acs3, "ram_user", "ServiceUnavailable"), (SdkHmac, "iam_user", "IAM.0012")] {
        let key = edge.user(form, "alice").await;
        edge.expect("a deadline that no hash meets", form.change(&key), (503, code)).await;
        let found = edge.world.verify_each(&json!({ field: "alice" }), &[CURRENT]).await;
        assert_eq!(found, ["MATCHED_CURRENT"], "{form:?}");
    }
}

#[tokio::test]
async fn a_caller_beyond_its_quota_is_throttled_in_the_words_of_its_vendor() {
    let edge = Edge::start_with(&[("quotas.per_caller", "1"), ("quotas.burst_seconds", "60")]).await;
    let root = issue(&edge.world.root, "ROOT", "").await;
    let of_huawei = || root.sdk_hmac("GET", "/v5/password-policy", "", None);
    let of_alibaba = || root.acs3("GetPasswordPolicy", "2015-05-01", &[]);
    for (request, code) in [(&of_huawei as &dyn Fn() -> _, "APIGW.0308"), (&of_alibaba, "Throttling.User")] {
        let mut response = edge.send(request()).await;
        for _ in 0..300 {
            if response.status() != 200 {
                break;
            }
            response = edge.send(request()).await;
        }
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(response.status() == 429 && body.contains(&format!("\"{code}\"")), "{body}");
        assert!(response.headers().contains_key("retry-after"));
    }
}
