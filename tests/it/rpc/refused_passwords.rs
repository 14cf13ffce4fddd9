//! The refused passwords, on every path that sets or judges a password. Imports have only hashes, which can't be compared.

use std::fs;
use std::path::{Path, PathBuf};

use credentiald::blocklist::{Builder, Digest, ListFormat};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, Setup, World};

/// Every policy accepts it.
const REFUSED: &str = "DM9refused798";
const OLD: &str = "oldPassWd987";

fn build(path: &Path) {
    let mut builder = Builder::new(Digest::Sha1, true, path).unwrap();
    builder.add(REFUSED.to_uppercase().as_bytes(), ListFormat::Plain).unwrap();
    builder.finish(0).unwrap();
}

/// A subject of each kind in a world that follows a filter, and its file.
async fn world() -> (World, [Client; 3], TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refused.filter");
    build(&path);
    let world = Setup::default().with("policy.refused_passwords_file", path.to_str().unwrap()).start().await;
    world.mail_domain("example.com", OLD).await;
    let (alice, bob) = (world.ram_user("alice", OLD).await, world.iam_user("bob", OLD).await);
    world.instance_account("r-1", "app", OLD).await;
    let relay = world.service().await;
    (world, [alice, bob, relay], directory, path)
}

fn subjects() -> [Value; 4] {
    [
        json!({ "mail_domain": "example.com" }),
        json!({ "ram_user": "alice" }),
        json!({ "iam_user": "bob" }),
        json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } }),
    ]
}

/// The requests that create a subject, without a password.
fn creations() -> [(&'static str, Value); 4] {
    [
        ("CreateMailDomain", json!({ "domain_name": "example.org" })),
        ("CreateRamUser", json!({ "user_name": "carol" })),
        ("CreateIamUser", json!({ "user_id": "dave" })),
        ("CreateInstanceAccount", json!({ "instance_id": "r-1", "account_name": "other" })),
    ]
}

/// A request with one more field.
fn with(request: &Value, field: &str, value: impl Into<Value>) -> Value {
    let mut request = request.clone();
    request[field] = value.into();
    request
}

#[tokio::test]
async fn a_refused_password_is_set_on_no_path() {
    let (world, [alice, bob, relay], _directory, _) = world().await;
    let root = &world.root;
    let account = json!({ "instance_id": "r-1", "account_name": "app" });
    let by_owner = json!({ "old_password": OLD, "new_password": REFUSED });
    let modified = with(&with(&account, "old_account_password", OLD), "new_account_password", REFUSED);
    let mut paths = vec![
        (root, "ModifyPWByDomain", json!({ "domain_name": "example.com", "password": REFUSED })),
        (&alice, "ChangePassword", by_owner.clone()),
        (&bob, "ChangePasswordV5", by_owner),
        (root, "ModifyAccountPassword", modified),
        (root, "ResetAccountPassword", with(&account, "account_password", REFUSED)),
    ];
    paths.extend(subjects().map(|subject| (root, "ResetPassword", json!({ "subject": subject, "password": REFUSED }))));
    paths.extend(creations().map(|(rpc, request)| (root, rpc, with(&request, "password", REFUSED))));
    for (caller, rpc, request) in paths {
        let problems = caller.err(rpc, request, "PASSWORD_POLICY_VIOLATION").await.problems();
        assert!(matches!(&problems[..], [one] if one.ends_with(": PASSWORD_BLOCKED")), "{rpc}: {problems:?}");
    }
    for subject in subjects() {
        let checked = relay.ok("CheckPassword", json!({ "subject": subject, "password": REFUSED })).await;
        assert_eq!(checked["violations"][0]["rule"], "PASSWORD_BLOCKED", "{checked}");
        assert_eq!(world.verify(subject, OLD).await, "MATCHED_CURRENT");
    }
    // Any other one is set: the whole password is compared.
    let longer = json!({ "old_password": OLD, "new_password": format!("{REFUSED}x") });
    alice.ok("ChangePassword", longer).await;
}

#[tokio::test]
async fn a_generated_password_is_compared_too() {
    let (world, [_, _, relay], _directory, path) = world().await;
    // Cut in place, the filter refuses every password, so that none can be generated.
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1).unwrap();
    for subject in subjects() {
        relay.err("GeneratePassword", json!({ "subject": subject }), "INTERNAL").await;
        let reset = json!({ "subject": subject, "generate_password": true });
        world.root.err("ResetPassword", reset, "INTERNAL").await;
    }
    for (rpc, request) in creations() {
        world.root.err(rpc, with(&request, "generate_password", true), "INTERNAL").await;
    }
}
