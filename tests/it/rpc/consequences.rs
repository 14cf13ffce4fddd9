//! What a new password brings with it: passwords that have to be replaced, and access tokens that end.

use serde_json::{Value, json};

use crate::support::World;
use crate::support::tenant::change;

const OLD: &str = "Password1";
const NEW: &str = "Password2";

async fn has_to_be_replaced(world: &World, user: &str) -> Value {
    let described = world.root.ok("DescribeRamUser", json!({ "user_name": user })).await;
    described["ram_user"]["credential"]["password_reset_required"].clone()
}

#[tokio::test]
async fn a_password_set_for_now_verifies_as_such_until_its_user_replaces_it() {
    let world = World::start().await;
    let subject = json!({ "ram_user": "alice" });
    let request = json!({ "user_name": "alice", "password": OLD, "password_reset_required": true });
    let created = world.root.ok("CreateRamUser", request).await;
    assert_eq!(created["ram_user"]["credential"]["password_reset_required"], true);
    let alice = world.caller("RAM_USER", "alice").await;
    assert_eq!(world.verify_each(&subject, &[OLD, NEW]).await, ["CHANGE_REQUIRED", "NOT_MATCHED"]);
    assert_eq!(has_to_be_replaced(&world, "alice").await, true);

    alice.err("ChangePassword", change(OLD, OLD), "PASSWORD_REUSED").await;
    alice.ok("ChangePassword", change(OLD, NEW)).await;
    assert_eq!(world.verify_each(&subject, &[OLD, NEW]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    assert_ne!(has_to_be_replaced(&world, "alice").await, true);

    // A reset decides anew.
    for (required, result) in [(true, "CHANGE_REQUIRED"), (false, "MATCHED_CURRENT")] {
        let reset = json!({ "subject": subject, "password": OLD, "password_reset_required": required });
        world.root.ok("ResetPassword", reset).await;
        assert_eq!(world.verify_each(&subject, &[OLD]).await, [result]);
    }
}

#[tokio::test]
async fn minimum_age_does_not_keep_a_password_that_has_to_be_replaced() {
    let world = World::start().await;
    world.root.ok("UpdatePasswordPolicyV5", json!({ "minimum_password_age": 60 })).await;
    let bob = world.iam_user("bob", OLD).await;
    bob.ok("ChangePasswordV5", change(OLD, NEW)).await;
    let reset = json!({ "subject": { "iam_user": "bob" }, "password": "Password3", "password_reset_required": true });
    world.root.ok("ResetPassword", reset).await;
    bob.ok("ChangePasswordV5", change("Password3", "Password4")).await;
    bob.err("ChangePasswordV5", change("Password4", "Password5"), "PASSWORD_TOO_YOUNG").await;
}

#[tokio::test]
async fn only_users_can_have_to_replace_a_password() {
    let world = World::start().await;
    world.root.ok("CreateMailDomain", json!({ "domain_name": "mail.example", "password": "Old-Harbour-12" })).await;
    let reset = json!({
        "subject": { "mail_domain": "mail.example" }, "password": "New-Harbour-21", "password_reset_required": true,
    });
    let reply = world.root.err("ResetPassword", reset, "INVALID_FIELD").await;
    assert!(format!("{:?}", reply.status).contains("password_reset_required"), "{:?}", reply.status);
    let subject = json!({ "mail_domain": "mail.example" });
    assert_eq!(world.verify_each(&subject, &["Old-Harbour-12"]).await, ["MATCHED_CURRENT"]);
}

#[tokio::test]
async fn a_user_without_a_first_password_can_not_have_to_replace_it() {
    let world = World::start().await;
    for wanted in [json!({}), json!({ "generate_password": false })] {
        for (rpc, name) in [("CreateRamUser", "user_name"), ("CreateIamUser", "user_id")] {
            let mut request = json!({ name: "dave", "password_reset_required": true });
            request.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
            let reply = world.root.err(rpc, request, "INVALID_FIELD").await;
            assert_eq!(reply.problems(), ["password_reset_required: MALFORMED"], "{rpc}");
        }
    }
    let bad = json!({ "user_name": "dave", "password": "", "password_reset_required": true });
    let reply = world.root.err("CreateRamUser", bad, "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["password: REQUIRED"], "a bad password is reported once");
    let generated = json!({ "user_name": "dave", "generate_password": true, "password_reset_required": true });
    world.root.ok("CreateRamUser", generated).await;
}

#[tokio::test]
async fn a_change_ends_the_users_other_tokens_if_the_tenant_wants_it() {
    let world = World::start().await;
    let (one, bob) = (world.ram_user("alice", OLD).await, world.ram_user("bob", OLD).await);
    let other = world.caller("RAM_USER", "alice").await;
    one.ok("ChangePassword", change(OLD, NEW)).await;
    other.ok("ChangePassword", change(NEW, OLD)).await;

    let wanted = world.root.ok("SetSecurityPreference", json!({ "change_ends_access_tokens": true })).await;
    assert_eq!(wanted["security_preference"]["allow_user_to_change_password"], true, "it keeps its value");
    // A change that is not made ends nothing.
    one.err("ChangePassword", change("Password9", NEW), "OLD_PASSWORD_INCORRECT").await;
    other.ok("ChangePassword", change(OLD, NEW)).await;
    one.err("ChangePassword", change(NEW, OLD), "UNAUTHENTICATED").await;
    other.ok("ChangePassword", change(NEW, OLD)).await;

    let reset = json!({ "subject": { "ram_user": "alice" }, "password": NEW });
    world.root.ok("ResetPassword", reset).await;
    other.err("ChangePassword", change(NEW, OLD), "UNAUTHENTICATED").await;
    // Those of other users, and that of the administrator, stay.
    bob.ok("ChangePassword", change(OLD, NEW)).await;
    world.caller("RAM_USER", "alice").await.ok("ChangePassword", change(NEW, OLD)).await;
}

#[tokio::test]
async fn a_reset_ends_the_users_tokens_if_it_says_so() {
    let world = World::start().await;
    let (alice, bob) = (world.ram_user("alice", OLD).await, world.iam_user("bob", OLD).await);
    let reset = |subject: Value, ends: bool| json!({ "subject": subject, "password": NEW, "end_access_tokens": ends });
    world.root.ok("ResetPassword", reset(json!({ "ram_user": "alice" }), false)).await;
    alice.ok("ChangePassword", change(NEW, OLD)).await;
    world.root.ok("ResetPassword", reset(json!({ "ram_user": "alice" }), true)).await;
    alice.err("ChangePassword", change(NEW, OLD), "UNAUTHENTICATED").await;
    bob.ok("ChangePasswordV5", change(OLD, NEW)).await;
    world.caller("RAM_USER", "alice").await.ok("ChangePassword", change(NEW, OLD)).await;
    // Only users have tokens.
    let reply =
        world.root.err("ResetPassword", reset(json!({ "mail_domain": "a.example" }), true), "INVALID_FIELD").await;
    assert!(format!("{:?}", reply.status).contains("end_access_tokens"), "{:?}", reply.status);
}
