//! Access keys: tokens that sign instead of being sent.

use std::fs;

use credentiald::ambient::SystemEntropy;
use credentiald::domain::names::PepperKeyId;
use credentiald::hashing::new_key;
use memchr::memmem;
use serde_json::{Value, json};

use crate::support::{Setup, World};

pub(super) fn ring() -> String {
    new_key(&PepperKeyId::parse("a").unwrap(), &SystemEntropy).to_string()
}

async fn peppered() -> World {
    Setup::default().with("pepper.keys", &ring()).start().await
}

pub(super) fn key_of(kind: &str, name: &str) -> Value {
    json!({
        "caller_kind": format!("CALLER_KIND_{kind}"),
        "caller_name": name,
        "form": "ACCESS_TOKEN_FORM_ACCESS_KEY",
    })
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}"))
}

#[tokio::test]
async fn the_secret_of_an_access_key_is_shown_once_and_not_readable_in_the_store() {
    let world = peppered().await;
    world.ram_user("alice", "mypassword").await;
    let issued = world.root.ok("IssueAccessToken", key_of("RAM_USER", "alice")).await;
    let (secret, key) = (text(&issued, "access_key_secret"), &issued["access_token"]);
    assert!(secret.starts_with("cdk_") && secret.len() == 68, "{issued}");
    let id = text(key, "token_id").replace('-', "").to_uppercase();
    assert_eq!(text(key, "access_key_id"), format!("CDAK{id}"));
    assert!(issued["token"].is_null() && text(key, "form") == "ACCESS_TOKEN_FORM_ACCESS_KEY", "{issued}");
    assert_eq!(text(key, "status"), "ACCESS_TOKEN_STATUS_ACTIVE");

    let listed = world.root.ok("ListAccessTokens", json!({})).await;
    assert_eq!(listed["access_tokens"].as_array().unwrap().last().unwrap(), key);
    assert!(!listed.to_string().contains(secret));
    for file in fs::read_dir(world.directory.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(memmem::find(&bytes, secret.as_bytes()).is_none());
    }
    // It signs: neither the secret nor the id is a bearer token.
    for sent in [secret, text(key, "access_key_id"), &format!("cdt_{}", &secret[4..])] {
        world.anybody().with_token(sent).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    }
}

#[tokio::test]
async fn without_a_pepper_key_no_access_key_is_issued() {
    let world = World::start().await;
    let reply = world.root.err("IssueAccessToken", key_of("SERVICE", "relay"), "INVALID_FIELD").await;
    let [problem] = reply.violations().try_into().unwrap();
    assert_eq!(problem.field, "form");
    assert!(problem.description.contains("credentiald pepper new-key"), "{problem:?}");
}

#[tokio::test]
async fn a_caller_has_two_access_keys_so_that_one_can_replace_the_other() {
    let world = peppered().await;
    let issue = async || world.root.ok("IssueAccessToken", key_of("SERVICE", "relay")).await;
    let (first, _) = (issue().await, issue().await);
    let reply = world.root.err("IssueAccessToken", key_of("SERVICE", "relay"), "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["caller_name: MALFORMED"]);
    world.root.ok("RevokeAccessToken", json!({ "token_id": first["access_token"]["token_id"] })).await;
    issue().await;
    for (request, field) in [
        (key_of("OPERATOR", "ops"), "form: MALFORMED"),
        (json!({ "caller_kind": "CALLER_KIND_ROOT", "form": 9 }), "form: MALFORMED"),
    ] {
        assert_eq!(world.operator.err("IssueAccessToken", request, "INVALID_FIELD").await.problems()[..1], [field]);
    }
}

#[tokio::test]
async fn a_disabled_token_is_refused_until_it_is_enabled_again() {
    let world = World::start().await;
    let issued = world.root.ok("IssueAccessToken", json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
    let (caller, id) = (world.anybody().with_token(text(&issued, "token")), &issued["access_token"]["token_id"]);
    let set = |status: &str| json!({ "token_id": id, "status": format!("ACCESS_TOKEN_STATUS_{status}") });

    let disabled = world.root.ok("SetAccessTokenStatus", set("INACTIVE")).await;
    assert_eq!(text(&disabled["access_token"], "status"), "ACCESS_TOKEN_STATUS_INACTIVE");
    caller.err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    // An operator need not name the tenant.
    world.operator.ok("SetAccessTokenStatus", set("ACTIVE")).await;
    caller.ok("ListRamUsers", json!({})).await;

    let globex = world.tenant("globex").await;
    globex.err("SetAccessTokenStatus", set("INACTIVE"), "ACCESS_TOKEN_NOT_FOUND").await;
    let reply = world.root.err("SetAccessTokenStatus", json!({}), "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["token_id: REQUIRED", "status: REQUIRED"]);
    caller.ok("ListRamUsers", json!({})).await;
}
