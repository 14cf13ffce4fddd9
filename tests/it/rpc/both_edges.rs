//! The same request over gRPC and, signed, over HTTP: the decision is the same, and so is its record.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::audit::described;
use crate::support::signer::{AccessKey, send};
use crate::support::{Client, Setup, World};

const CURRENT: &str = "OldPass12+x";
const NEW: &str = "NewPass34=%y&";

/// The operations, with the fields that name a password's subject, the old and the new password.
const CHANGES: [(&str, &str, &str); 4] = [
    ("ModifyPWByDomain", "", "password"),
    ("ChangePassword", "old_password", "new_password"),
    ("ChangePasswordV5", "old_password", "new_password"),
    ("ModifyAccountPassword", "old_account_password", "new_account_password"),
];

/// A caller, over each of the edges.
struct Caller {
    bearer: Client,
    key: AccessKey,
}

impl Caller {
    async fn of(world: &World, kind: &str, names: [&str; 2]) -> Self {
        let bearer = world.caller(kind, names[0]).await;
        Self { bearer, key: world.root.access_key(kind, names[1]).await }
    }
}

/// A request whose fields have other values over each edge, so that the requests do not meet.
struct Step {
    method: &'static str,
    fields: [Map<String, Value>; 2],
}

/// Sends requests both ways, and compares the answers.
struct Both {
    world: World,
    sent: usize,
    reasons: BTreeSet<String>,
}

impl Both {
    /// The reason of both answers.
    async fn send(&mut self, caller: &Caller, step: Step) -> String {
        let Step { method, fields: [over_grpc, over_http] } = step;
        let shown = Value::from(over_grpc.clone()).to_string();
        let reply = caller.bearer.call(method, over_grpc.into()).await;
        let response =
            send(self.world.http.unwrap(), signed(&caller.key, method, &over_http, self.sent.is_multiple_of(2))).await;
        let status = if reply.reason() == "OK" { "200".to_owned() } else { reply.metadata("http_status").unwrap() };
        let found = (reason(&response), response.status().as_str().to_owned());
        assert_eq!(found, (reply.reason(), status), "{method} {shown}: {:?}", response.body());
        self.sent += 1;
        self.reasons.insert(reply.reason());
        reply.reason()
    }
}

/// The reason in an answer, or `OK`.
fn reason(response: &Response<Bytes>) -> String {
    let content: Value = serde_json::from_slice(response.body()).unwrap();
    let reason = content.get("Reason").or(content.get("reason")).and_then(Value::as_str);
    reason.unwrap_or(if response.status() == 200 { "OK" } else { "?" }).to_owned()
}

fn signed(key: &AccessKey, method: &str, fields: &Map<String, Value>, is_acs3: bool) -> Request<Bytes> {
    let mut json = fields.clone();
    let token = json.remove("client_token");
    let of_huawei = match method {
        "ChangePasswordV5" => Some(("POST", "/v5/caller-password")),
        "ShowPasswordPolicyV5" => Some(("GET", "/v5/password-policy")),
        "UpdatePasswordPolicyV5" => Some(("PUT", "/v5/password-policy")),
        "DecodeAuthorizationMessage" => Some(("POST", "/v5/decode-authorization-message")),
        _ => None,
    };
    if let Some((method, path)) = of_huawei {
        let body = if method == "GET" { String::new() } else { Value::from(json).to_string() };
        return key.sdk_hmac(method, path, &body, token.as_ref().and_then(Value::as_str));
    }
    let version = match method {
        "ModifyPWByDomain" => "2015-11-23",
        "ModifyAccountPassword" | "ResetAccountPassword" | "DescribeAccounts" => "2015-01-01",
        _ => "2015-05-01",
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parameters: Vec<_> = fields.iter().map(|(name, value)| (camel_case(name), text(value))).collect();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if is_acs3 { key.acs3(method, version, &parameters) } else { key.v1(method, version, &parameters) }
}

fn camel_case(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The subject of that number, with a name of its own over each edge, and who may change its password.
async fn subject(world: &World, method: &'static str, number: usize) -> (Option<Caller>, [Value; 2]) {
    let names = ["edgeg", "edgeh"].map(|edge| format!("{edge}{number}"));
    for name in &names {
        match method {
            "ModifyPWByDomain" => world.mail_domain(&format!("{name}.example"), CURRENT).await,
            "ChangePassword" => {
                world.root.ok("CreateRamUser", json!({ "user_name": name, "password": CURRENT })).await;
            }
            "ChangePasswordV5" => {
                world.root.ok("CreateIamUser", json!({ "user_id": name, "password": CURRENT })).await;
            }
            _ => {
                let account = json!({ "instance_id": "r-1", "account_name": name, "password": CURRENT });
                world.root.ok("CreateInstanceAccount", account).await;
            }
        }
    }
    let of_names = names.each_ref().map(String::as_str);
    let caller = match method {
        "ChangePassword" => Some(Caller::of(world, "RAM_USER", of_names).await),
        "ChangePasswordV5" => Some(Caller::of(world, "IAM_USER", of_names).await),
        _ => None,
    };
    let fields = names.map(|name| match method {
        "ModifyPWByDomain" => json!({ "domain_name": format!("{name}.example") }),
        "ModifyAccountPassword" => json!({ "instance_id": "r-1", "account_name": name }),
        _ => json!({}),
    });
    (caller, fields)
}

fn with(base: &[Value; 2], more: &Value) -> [Map<String, Value>; 2] {
    base.each_ref().map(|base| {
        let mut fields = base.as_object().unwrap().clone();
        fields.extend(more.as_object().unwrap().clone());
        fields
    })
}

/// Old and new password, and a client token.
type Passwords = (Option<String>, Option<String>, &'static str);

/// The requests on one subject after the other.
fn sequences() -> Vec<Vec<Passwords>> {
    let pair = |old: &str, new: &str| (Some(old.to_owned()), Some(new.to_owned()), "");
    let token = |new: &str, token| (Some(CURRENT.to_owned()), Some(new.to_owned()), token);
    let long = "Aa1!".repeat(257);
    vec![
        vec![pair(CURRENT, NEW), pair(CURRENT, NEW), pair(NEW, CURRENT)],
        vec![pair("Wrong-98x", NEW)],
        vec![pair(CURRENT, "short")],
        vec![pair(CURRENT, CURRENT)],
        vec![(None, Some(NEW.to_owned()), ""), (Some(CURRENT.to_owned()), None, "")],
        vec![pair("", ""), pair(CURRENT, "New\u{7}Pass34")],
        vec![pair(CURRENT, "N\u{e9}wPass34\u{416}=y"), pair(CURRENT, "New Pass34 &=%2B~")],
        vec![pair(CURRENT, &long), pair(&long, NEW)],
        vec![pair("Wrong-98x", "short")],
        vec![token(NEW, "t-1"), token(NEW, "t-1"), token("Other56=Pass", "t-1")],
        vec![token(NEW, "two words")],
        vec![pair("Wrong-1x2", NEW), pair("Wrong-2x3", NEW), pair("Wrong-3x4", NEW), pair("Wrong-4x5", NEW)],
    ]
}

#[tokio::test]
async fn the_same_request_over_both_edges_gives_the_same_decision() {
    let ring = super::access_keys::ring();
    let setup = Setup::default().with("pepper.keys", &ring).with("attempts.allowance", "3");
    let world = setup.with("http.listen", "127.0.0.1:0").start().await;
    world.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let root = Caller { bearer: world.root.clone(), key: world.root.access_key("ROOT", "").await };
    let mut both = Both { world, sent: 0, reasons: BTreeSet::new() };
    let mut users = BTreeMap::new();
    for (method, old_field, new_field) in CHANGES {
        for (number, sequence) in sequences().into_iter().enumerate() {
            let (caller, base) = subject(&both.world, method, number).await;
            for (old, new, token) in sequence {
                let mut fields = Map::new();
                fields.extend(old.filter(|_| !old_field.is_empty()).map(|old| (old_field.to_owned(), old.into())));
                fields.extend(new.map(|new| (new_field.to_owned(), new.into())));
                if !token.is_empty() {
                    fields.insert("client_token".to_owned(), token.into());
                }
                let step = Step { method, fields: with(&base, &fields.into()) };
                both.send(caller.as_ref().unwrap_or(&root), step).await;
            }
            // The first of each kind has its first password again.
            if let (0, Some(caller)) = (number, caller) {
                users.insert(method, caller);
            }
        }
    }
    both.send_others(&root, &users["ChangePassword"]).await;
    both.change_settings(&root, &users["ChangePassword"], &users["ChangePasswordV5"]).await;

    assert!(both.sent >= 100, "{}", both.sent);
    for reason in [
        "OK",
        "INVALID_FIELD",
        "PASSWORD_POLICY_VIOLATION",
        "PASSWORD_REUSED",
        "OLD_PASSWORD_INCORRECT",
        "CLIENT_TOKEN_MISMATCH",
        "AUTHORIZATION_MESSAGE_INVALID",
        "CALLER_NOT_ELIGIBLE",
        "RESOURCE_STATE",
        "PASSWORD_TOO_YOUNG",
        "ACCESS_DENIED",
        "SELF_CHANGE_DISABLED",
        "DOMAIN_NOT_FOUND",
        "INSTANCE_NOT_FOUND",
        "ACCOUNT_NOT_FOUND",
        "TOO_MANY_ATTEMPTS",
    ] {
        assert!(both.reasons.contains(reason), "{reason}: {:?}", both.reasons);
    }
    let events = described(&both.world.root, json!({})).await;
    let [over_grpc, over_http] = ["edgeg", "edgeh"].map(|edge| {
        let of_edge = events.iter().filter(|event| event.contains(edge));
        of_edge.map(|event| event.replace(edge, "edge")).collect::<Vec<_>>()
    });
    assert!(over_grpc.len() > 80, "{}", over_grpc.len());
    assert_eq!(over_grpc, over_http);
}

impl Both {
    /// Requests that are no changes of an existing subject by a caller who may.
    async fn send_others(&mut self, root: &Caller, user: &Caller) {
        let service = Caller::of(&self.world, "SERVICE", ["relay", "relay"]).await;
        self.world.mail_domain("failed.example", CURRENT).await;
        let failed = json!({ "domain_name": "failed.example", "status": "MAIL_DOMAIN_STATUS_VERIFICATION_FAILED" });
        self.world.root.ok("SetMailDomainStatus", failed).await;
        let plain = json!({ "instance_id": "r-1", "account_name": "plain", "password": CURRENT });
        self.world.root.ok("CreateInstanceAccount", plain).await;
        self.world.instance_account("r-2", "stopped", CURRENT).await;
        let stopped = json!({ "instance_id": "r-2", "status": "INSTANCE_STATUS_CHANGING" });
        self.world.root.ok("SetInstanceStatus", stopped).await;

        let own = json!({ "old_password": CURRENT, "new_password": NEW });
        let domain = |name: &str| json!({ "domain_name": name, "password": NEW });
        let account = |instance: &str, account: &str| {
            json!({
                "instance_id": instance,
                "account_name": account,
                "old_account_password": CURRENT,
                "new_account_password": NEW,
            })
        };
        let reset = |account: &str, password: &str| json!({ "instance_id": "r-1", "account_name": account, "account_password": password });
        for (caller, method, fields) in [
            (root, "ChangePassword", own.clone()),
            (root, "ChangePasswordV5", own.clone()),
            (user, "ChangePasswordV5", own.clone()),
            (&service, "ChangePassword", own),
            (root, "ModifyPWByDomain", domain("absent.example")),
            (root, "ModifyPWByDomain", domain("no such name")),
            (root, "ModifyPWByDomain", domain("failed.example")),
            (user, "ModifyPWByDomain", domain("absent.example")),
            (&service, "ModifyPWByDomain", domain("failed.example")),
            (root, "ModifyAccountPassword", account("r-0", "absent")),
            (root, "ModifyAccountPassword", account("r-1", "absent")),
            (root, "ModifyAccountPassword", account("", "absent")),
            (root, "ModifyAccountPassword", account("r-1", "No")),
            (root, "ModifyAccountPassword", account("r-2", "stopped")),
            (user, "ModifyAccountPassword", account("r-1", "plain")),
            (root, "ResetAccountPassword", reset("absent", NEW)),
            (root, "ResetAccountPassword", reset("plain", "short")),
            (root, "ResetAccountPassword", reset("", "")),
            (&service, "ResetAccountPassword", reset("plain", NEW)),
            (root, "DescribeAccounts", json!({ "instance_id": "r-1" })),
            (root, "DescribeAccounts", json!({ "instance_id": "r-1", "account_name": "plain" })),
            (root, "DescribeAccounts", json!({ "instance_id": "r-1", "account_name": "absent" })),
            (root, "DescribeAccounts", json!({ "instance_id": "r-0" })),
            (root, "DescribeAccounts", json!({})),
            (user, "DescribeAccounts", json!({ "instance_id": "r-1" })),
            (root, "DecodeAuthorizationMessage", json!({ "encoded_message": "abc" })),
            (root, "DecodeAuthorizationMessage", json!({ "encoded_message": "not one" })),
            (user, "DecodeAuthorizationMessage", json!({ "encoded_message": "abc" })),
        ] {
            self.send(caller, Step { method, fields: [(); 2].map(|()| fields.as_object().unwrap().clone()) }).await;
        }
    }

    /// The settings of the tenant, and what they change.
    async fn change_settings(&mut self, root: &Caller, user: &Caller, iam_user: &Caller) {
        let own = json!({ "old_password": CURRENT, "new_password": NEW });
        for (caller, method, fields) in [
            (root, "GetPasswordPolicy", json!({})),
            (user, "GetPasswordPolicy", json!({})),
            (root, "SetPasswordPolicy", json!({ "minimum_password_length": 7 })),
            (root, "SetPasswordPolicy", json!({ "minimum_password_length": 12, "require_symbols": true })),
            (user, "SetPasswordPolicy", json!({ "minimum_password_length": 12 })),
            (root, "ShowPasswordPolicyV5", json!({})),
            (iam_user, "ShowPasswordPolicyV5", json!({})),
            (root, "UpdatePasswordPolicyV5", json!({ "password_char_combination": 9 })),
            (root, "UpdatePasswordPolicyV5", json!({ "minimum_password_age": 60 })),
            (iam_user, "ChangePasswordV5", own.clone()),
            (root, "UpdatePasswordPolicyV5", json!({ "allow_user_to_change_password": false })),
            (iam_user, "ChangePasswordV5", own.clone()),
            (root, "GetSecurityPreference", json!({})),
            (root, "SetSecurityPreference", json!({ "allow_user_to_change_password": false })),
            (user, "ChangePassword", own.clone()),
        ] {
            self.send(caller, Step { method, fields: [(); 2].map(|()| fields.as_object().unwrap().clone()) }).await;
        }
    }
}
