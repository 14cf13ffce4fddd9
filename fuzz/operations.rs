//! Any request names the operation that a plain reader finds, or gets its vendor's own answer; and a body of JSON has the
//! members that any reader finds, each once, or is refused.

use std::collections::{BTreeMap, BTreeSet};

use credentiald::domain::action::Action;
use credentiald::http::fuzzing::{members, routed};
use credentiald::http::{Parameters, ReceivedRequest};
use http::Request;
use http::request::Parts;
use serde_json::Value;

use crate::signatures::head_and_body;
use crate::texts;

/// As the vendors' pages have them.
const OF_ALIBABA: &[(&str, &str, Action)] = &[
    ("ModifyPWByDomain", "2015-11-23", Action::ModifyPwByDomain),
    ("ChangePassword", "2015-05-01", Action::ChangePassword),
    ("ChangePassword", "2019-08-15", Action::ChangePassword),
    ("ChangePassword", "2017-04-30", Action::ChangePassword),
    ("GetPasswordPolicy", "2015-05-01", Action::GetPasswordPolicy),
    ("SetPasswordPolicy", "2015-05-01", Action::SetPasswordPolicy),
    ("GetSecurityPreference", "2015-05-01", Action::GetSecurityPreference),
    ("SetSecurityPreference", "2015-05-01", Action::SetSecurityPreference),
    ("ModifyAccountPassword", "2015-01-01", Action::ModifyAccountPassword),
    ("ResetAccountPassword", "2015-01-01", Action::ResetAccountPassword),
    ("DescribeAccounts", "2015-01-01", Action::DescribeAccounts),
];
const OF_HUAWEI: &[(&str, &str, Action)] = &[
    ("POST", "/v5/caller-password", Action::ChangePasswordV5),
    ("GET", "/v5/password-policy", Action::ShowPasswordPolicyV5),
    ("PUT", "/v5/password-policy", Action::UpdatePasswordPolicyV5),
    ("POST", "/v5/decode-authorization-message", Action::DecodeAuthorizationMessage),
];

/// A line with the method and the target, lines of headers, an empty line, and the body.
pub fn run(bytes: &[u8]) {
    let Some((first, headers, body)) = head_and_body(bytes) else { return };
    let (method, target) = first.split_once(' ').unwrap_or(("POST", first));
    let Ok(request) = Request::builder().method(method).uri(target).body(()) else { return };
    let (mut head, ()) = request.into_parts();
    head.headers = headers;
    routes(&head, body);
    reads(body);
}

fn routes(head: &Parts, body: &[u8]) {
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let request = ReceivedRequest { method: &head.method, path, query, headers: &head.headers, body };
    let (is_of_huawei, named) = named(head, request.parameters().ok().as_ref());
    let table = if is_of_huawei { OF_HUAWEI } else { OF_ALIBABA };
    let expected =
        named.and_then(|named| table.iter().find(|row| (row.0, row.1) == (named.0.as_str(), named.1.as_str())));
    match routed(head, body) {
        Ok(action) => assert_eq!(expected.map(|row| row.2), Some(action), "{head:?}"),
        Err((status, content)) => {
            let content: Value = serde_json::from_slice(&content).expect("an answer is JSON");
            let [code, message, id] =
                if is_of_huawei { ["error_code", "error_msg", "request_id"] } else { ["Code", "Message", "RequestId"] };
            let text = |name: &str| content[name].as_str().filter(|text| !text.is_empty()).expect(name);
            let found = (status, text(code));
            if request.parameters().is_ok() {
                assert!(expected.is_none(), "{head:?}");
                let code = if is_of_huawei { "APIGW.0101" } else { "InvalidAction.NotFound" };
                assert_eq!(found, (404, code), "{head:?}");
            } else {
                assert_eq!(found.0, 400, "{content}");
            }
            assert!(!text(message).contains(['\r', '\n']) && !text(id).is_empty());
        }
    }
}

/// Whether a request is for Huawei Cloud, and the two words that name its operation.
fn named(head: &Parts, parameters: Option<&Parameters>) -> (bool, Option<(String, String)>) {
    let authorization = head.headers.get("authorization");
    let algorithm = authorization.and_then(|value| std::str::from_utf8(value.as_bytes()).ok()?.split(' ').next());
    let is_of_huawei = match algorithm {
        Some("SDK-HMAC-SHA256") => true,
        Some("ACS3-HMAC-SHA256") => false,
        _ => head.uri.path().starts_with("/v"),
    };
    if is_of_huawei {
        return (true, Some((head.method.to_string(), head.uri.path().to_owned())));
    }
    if head.uri.path() != "/" || !["GET", "POST"].contains(&head.method.as_str()) {
        return (false, None);
    }
    let header = |name: &str| {
        let values: Vec<_> = head.headers.get_all(name).iter().collect();
        if let [value] = values[..] { String::from_utf8(value.as_bytes().to_vec()).ok() } else { None }
    };
    let parameter = |name: &str| parameters.and_then(|parameters| parameters.value(name)).map(str::to_owned);
    let words = match authorization {
        Some(_) => (header("x-acs-action"), header("x-acs-version")),
        None => (parameter("Action"), parameter("Version")),
    };
    (false, words.0.zip(words.1))
}

fn reads(body: &[u8]) {
    let plain = serde_json::from_slice::<Value>(body).ok();
    let plain = plain.as_ref().and_then(Value::as_object);
    match members(body) {
        Some(found) if body.is_empty() => assert!(found.is_empty()),
        Some(found) => {
            let plain = plain.expect("what is accepted is an object");
            assert!(found.iter().eq(plain.iter().collect::<BTreeMap<_, _>>()), "{body:?}");
            assert_eq!(names_in(body).len(), found.len(), "a member is there twice: {body:?}");
        }
        None => {
            let names = names_in(body);
            let is_repeated = names.iter().collect::<BTreeSet<_>>().len() < names.len();
            assert!(plain.is_none() || is_repeated, "{body:?}");
        }
    }
}

/// The names of the members of an object, in their order.
fn names_in(object: &[u8]) -> Vec<String> {
    let (mut names, mut depth, mut at) = (Vec::new(), 0_u32, 0);
    while let Some(byte) = object.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let begin = at;
                at += 1;
                while object.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if object[at] == b'\\' { 2 } else { 1 };
                }
                let after = object.get(at + 1..).unwrap_or_default().trim_ascii_start();
                if depth == 1 && after.starts_with(b":") {
                    names.extend(serde_json::from_slice::<String>(&object[begin..=at]).ok());
                }
            }
            _ => {}
        }
        at += 1;
    }
    names
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "POST /?Action=ChangePassword&Version=2015-05-01&Signature=x\ncontent-type: application/x-www-form-urlencoded\n\n\
         OldPassword=a&NewPassword=b",
        "GET /\nauthorization: ACS3-HMAC-SHA256 Credential=a\nx-acs-action: DescribeAccounts\nx-acs-version: 2015-01-01\n\n",
        "POST /v5/caller-password\nauthorization: SDK-HMAC-SHA256 Access=a\n\n\
         {\"new_password\": \"N\\u0451 w&=%/1\\\"\\\\\", \"old_password\": \"old pw+1~*!'()\"}",
        "PUT /v5/password-policy\n\n{\"minimum_password_length\": 9, \"a\": {\"a\": [1, null, true, 1e3]}, \"b\": -0.5}",
        "DELETE /v5/nothing?a=%\n\n{\"a\": 1, \"\\u0061\": 2}",
        "POST /v5/decode-authorization-message\n\n[1]",
    ])
}
