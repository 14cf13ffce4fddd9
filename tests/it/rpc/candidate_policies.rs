//! Candidate password policies: compared, counted, never enforced; then adopted or dropped.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::audit::listed;
use crate::store::tamper;
use crate::support::clock::MovedClock;
use crate::support::tenant::change;
use crate::support::{Setup, World, database};

const OLD: &str = "password-1";
const NEW: &str = "password-2";
const STRONG: &str = "Password-2-is-long";

/// A candidate that requires capital letters and twelve characters.
async fn stricter(world: &World) -> Value {
    let change = json!({ "minimum_password_length": 12, "require_uppercase_characters": true });
    world.root.ok("SetCandidatePasswordPolicy", json!({ "change": change })).await["candidate"].clone()
}

async fn described(world: &World) -> Value {
    world.root.ok("DescribeCandidatePasswordPolicy", json!({})).await
}

#[tokio::test]
async fn a_candidate_is_counted_and_never_enforced() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    let subject = json!({ "ram_user": "alice" });
    assert_eq!(described(&world).await, json!({}));
    let candidate = stricter(&world).await;
    assert_eq!(candidate["version"], "1");
    assert_eq!(candidate["password_policy"]["minimum_password_length"], 12);
    let policy = world.root.ok("GetPasswordPolicy", json!({})).await;
    assert_eq!(policy["password_policy"], json!({ "minimum_password_length": 8 }), "nothing is in force");

    // A change, a reset and a first password that only the candidate refuses; and a check of one that both accept.
    alice.ok("ChangePassword", change(OLD, NEW)).await;
    world.root.ok("ResetPassword", json!({ "subject": subject, "password": OLD })).await;
    world.root.ok("CreateRamUser", json!({ "user_name": "bob", "password": "Short-ish" })).await;
    let check = |password: &str| json!({ "subject": subject, "password": password });
    let service = world.service().await;
    assert_eq!(service.ok("CheckPassword", check(STRONG)).await["violations"], json!(null));
    // Both refuse it.
    alice.err("ChangePassword", change(OLD, "short"), "PASSWORD_POLICY_VIOLATION").await;
    // The candidate would generate another password.
    world.root.ok("ResetPassword", json!({ "subject": subject, "generate_password": true })).await;

    let shown = described(&world).await;
    let refused = json!({ "requests": "3", "rules": { "MIN_LENGTH": "3", "REQUIRE_UPPER_CASE": "2" } });
    assert_eq!((&shown["compared"], &shown["would_be_refused"]), (&json!("6"), &refused));
    assert_eq!(shown["would_be_accepted"], json!({}));
    let text = shown.to_string();
    assert!(!text.contains("alice") && !text.contains("bob"), "{text}");

    // Another candidate starts again, from the one before.
    let looser = json!({ "change": { "minimum_password_length": 8, "require_uppercase_characters": false } });
    world.root.ok("SetCandidatePasswordPolicy", looser).await;
    assert_eq!(described(&world).await["compared"], json!(null));
}

#[tokio::test]
async fn what_a_candidate_would_accept_is_counted_as_well() {
    let world = World::start().await;
    let bob = world.iam_user("bob", "Password1").await;
    world.root.ok("UpdatePasswordPolicyV5", json!({ "minimum_password_age": 60, "minimum_password_length": 9 })).await;
    let candidate = json!({ "change": { "minimum_password_age": 0, "minimum_password_length": 8 } });
    world.root.ok("UpdateCandidatePasswordPolicyV5", candidate).await;
    bob.ok("ChangePasswordV5", change("Password1", "Password2")).await;
    bob.err("ChangePasswordV5", change("Password2", "Passwor3"), "PASSWORD_TOO_YOUNG").await;
    let shown = described(&world).await;
    let accepted = json!({ "requests": "1", "rules": { "MIN_LENGTH": "1", "PASSWORD_TOO_YOUNG": "1" } });
    assert_eq!(shown["would_be_accepted"], accepted);
    assert_eq!((&shown["compared"], &shown["would_be_refused"]), (&json!("2"), &json!({})));
}

#[tokio::test]
async fn users_whose_passwords_are_too_old_for_a_candidate_are_counted() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    world.ram_user("alice", OLD).await;
    world.ram_user("bob", OLD).await;
    let now = json!({ "user_name": "carol", "password": OLD, "password_reset_required": true });
    world.root.ok("CreateRamUser", now).await;
    world.root.ok("CreateRamUser", json!({ "user_name": "without" })).await;
    clock.forward(Duration::from_hours(24 * 30));
    world.root.ok("ResetPassword", json!({ "subject": { "ram_user": "bob" }, "password": NEW })).await;

    world.root.ok("SetCandidatePasswordPolicy", json!({ "change": { "max_password_age": 30 } })).await;
    let users = |shown: &Value| shown["ram_users"].clone();
    let expected = json!({ "users": "3", "change_required": "2", "change_required_now": "1" });
    assert_eq!(users(&described(&world).await), expected);
    world.root.ok("SetCandidatePasswordPolicy", json!({ "change": { "hard_expiry": true } })).await;
    let expected = json!({ "users": "3", "expired": "2", "change_required_now": "1" });
    assert_eq!(users(&described(&world).await), expected);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "MATCHED_CURRENT", "nothing is in force");
}

#[tokio::test]
async fn a_candidate_is_adopted_or_dropped_at_the_version_that_was_seen() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    let conflict = |version: u64| json!({ "version": version });
    for rpc in ["AdoptCandidatePasswordPolicy", "DropCandidatePasswordPolicy"] {
        world.root.err(rpc, conflict(1), "VERSION_CONFLICT").await;
        stricter(&world).await;
        world.root.err(rpc, conflict(0), "VERSION_CONFLICT").await;
        let version = described(&world).await["candidate"]["version"].clone();
        world.root.ok("SetCandidatePasswordPolicy", json!({ "change": { "require_numbers": true } })).await;
        world.root.err(rpc, json!({ "version": version }), "VERSION_CONFLICT").await;
        let version = described(&world).await["candidate"]["version"].clone();
        world.root.ok(rpc, json!({ "version": version })).await;
        assert_eq!(described(&world).await, json!({}));
        let policy = world.root.ok("GetPasswordPolicy", json!({})).await;
        let expected =
            json!({ "minimum_password_length": 12, "require_uppercase_characters": true, "require_numbers": true });
        assert_eq!(policy["password_policy"], expected);
    }
    alice.err("ChangePassword", change(OLD, NEW), "PASSWORD_POLICY_VIOLATION").await;
    alice.ok("ChangePassword", change(OLD, STRONG)).await;

    let events = listed(&world.root, json!({ "outcome": "done" })).await;
    let of = |rpc: &str| events.iter().filter(|event| event["event"]["action"] == format!("admin:{rpc}")).count();
    let counts = ["SetCandidatePasswordPolicy", "AdoptCandidatePasswordPolicy", "DropCandidatePasswordPolicy"].map(of);
    assert_eq!(counts, [4, 1, 1]);
}

#[tokio::test]
async fn a_candidate_out_of_range_is_refused() {
    let world = World::start().await;
    let request = json!({ "change": { "minimum_password_length": 33, "require_numbers": true } });
    let reply = world.root.err("SetCandidatePasswordPolicy", request, "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["minimum_password_length: OUT_OF_RANGE"]);
    assert_eq!(described(&world).await, json!({}));
    let elsewhere = json!({ "change": { "tenant": "globex" } });
    world.root.err("SetCandidatePasswordPolicy", elsewhere, "ACCESS_DENIED").await;
}

#[tokio::test]
async fn counts_of_all_processes_are_in_the_store_after_a_stop() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    stricter(&world).await;
    alice.ok("ChangePassword", change(OLD, NEW)).await;
    let world = world.restart().await;
    assert_eq!(described(&world).await["would_be_refused"]["requests"], "1");
}

/// As a later version may write it, while processes of two versions run.
#[tokio::test]
async fn a_candidate_that_can_not_be_read_keeps_no_one_out_and_can_be_dropped_or_replaced() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    stricter(&world).await;
    let new_rule = r#"UPDATE candidate_policy SET settings = '{"ram":{"new_rule":true}}', comparisons = '7'"#;
    tamper(&database(&world.directory), new_rule);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "MATCHED_CURRENT");
    alice.ok("ChangePassword", change(OLD, NEW)).await;
    world.root.ok("ResetPassword", json!({ "subject": { "ram_user": "alice" }, "password": OLD })).await;
    let minimum = json!({ "max_login_attemps": 3 });
    assert_eq!(world.root.ok("SetPasswordPolicy", minimum).await["password_policy"]["max_login_attemps"], 3);

    world.root.err("DescribeCandidatePasswordPolicy", json!({}), "STORE_UNAVAILABLE").await;
    let conflict = world.root.err("DropCandidatePasswordPolicy", json!({}), "VERSION_CONFLICT").await;
    let version = conflict.metadata("current_version").unwrap();
    world.root.err("AdoptCandidatePasswordPolicy", json!({ "version": version }), "STORE_UNAVAILABLE").await;
    world.root.ok("DropCandidatePasswordPolicy", json!({ "version": version })).await;
    assert_eq!(described(&world).await, json!({}));

    // One that is damaged is replaced; one of a later version is not, because its setting would be lost.
    stricter(&world).await;
    tamper(&database(&world.directory), new_rule);
    let numbers = json!({ "change": { "require_numbers": true } });
    world.root.err("SetCandidatePasswordPolicy", numbers.clone(), "STORE_UNAVAILABLE").await;
    tamper(&database(&world.directory), "UPDATE candidate_policy SET settings = '7'");
    let replaced = world.root.ok("SetCandidatePasswordPolicy", numbers).await["candidate"].clone();
    let expected = json!({ "minimum_password_length": 8, "require_numbers": true, "max_login_attemps": 3 });
    assert_eq!(replaced["password_policy"], expected, "it begins from the policies in force");
    assert_eq!(described(&world).await["candidate"], replaced);
}

#[tokio::test]
async fn a_candidate_is_not_adopted_where_its_policies_may_not_be_set() {
    let directory = tempfile::tempdir().unwrap();
    let forbid =
        "@id(\"fixed\") forbid (principal is Root, action == Action::\"admin:UpdatePasswordPolicyV5\", resource);";
    fs::write(directory.path().join("fixed.cedar"), forbid).unwrap();
    let world = Setup::default().with("policies.directory", directory.path().to_str().unwrap()).start().await;
    world.root.err("UpdatePasswordPolicyV5", json!({ "minimum_password_length": 12 }), "ACCESS_DENIED").await;
    let candidate = json!({ "change": { "minimum_password_length": 12 } });
    world.root.ok("UpdateCandidatePasswordPolicyV5", candidate).await;
    let adopt = json!({ "tenant": "acme", "version": 1 });
    world.root.err("AdoptCandidatePasswordPolicy", adopt.clone(), "ACCESS_DENIED").await;
    let events = listed(&world.root, json!({ "outcome": "denied" })).await;
    let actions: Vec<_> = events.iter().filter_map(|event| event["event"]["action"].as_str()).collect();
    assert_eq!(actions, ["admin:UpdatePasswordPolicyV5", "admin:AdoptCandidatePasswordPolicy"]);
    world.operator.ok("AdoptCandidatePasswordPolicy", adopt).await;
}
