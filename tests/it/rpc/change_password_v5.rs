//! `ChangePasswordV5`: an IAM user changes its own password.

use serde_json::json;
use tonic::Code;

use crate::support::World;

#[tokio::test]
async fn an_iam_user_changes_its_own_password() {
    let world = World::start().await;
    let bob = world.iam_user("bob", "Password1").await;

    let reply = bob.call("ChangePasswordV5", json!({ "new_password": "Password2", "old_password": "Password1" })).await;

    assert_eq!(reply.reason(), "OK");
    assert_eq!(reply.json, json!({ "version": "2" }));
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(world.verify(json!({ "iam_user": "bob" }), "Password2").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn its_errors_name_the_nearest_vendor_code() {
    let world = World::start().await;
    let bob = world.iam_user("bob", "Password1").await;
    let nearest = |reply: &crate::support::Reply| {
        assert_eq!(reply.metadata("vendor_code"), None);
        reply.metadata("vendor_code_nearest").unwrap_or_default()
    };

    let wrong = json!({ "new_password": "Password2", "old_password": "guessed" });
    assert_eq!(nearest(&bob.err("ChangePasswordV5", wrong, "OLD_PASSWORD_INCORRECT").await), "1103");
    let reused = json!({ "new_password": "Password1", "old_password": "Password1" });
    assert_eq!(nearest(&bob.err("ChangePasswordV5", reused, "PASSWORD_REUSED").await), "1108");
    let weak = json!({ "new_password": "BOB", "old_password": "Password1" });
    let reply = bob.err("ChangePasswordV5", weak, "PASSWORD_POLICY_VIOLATION").await;
    assert_eq!(nearest(&reply), "1118");
    assert_eq!(
        reply.problems(),
        ["new_password: MIN_LENGTH", "new_password: MIN_CHARACTER_TYPES", "new_password: NOT_USER_NAME_OR_REVERSE",]
    );
    assert_eq!(nearest(&bob.err("ChangePasswordV5", json!({}), "INVALID_FIELD").await), "IAM.0007");
}

#[tokio::test]
async fn only_iam_users_can_use_it() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let request = json!({ "new_password": "newpassword", "old_password": "mypassword" });
    let reply = alice.err("ChangePasswordV5", request, "CALLER_NOT_ELIGIBLE").await;
    assert_eq!(reply.status.code(), Code::FailedPrecondition);
    assert_eq!(reply.metadata("vendor_code"), None);
}

#[tokio::test]
async fn the_policy_can_forbid_and_delay_it() {
    let world = World::start().await;
    let bob = world.iam_user("bob", "Password1").await;
    let change = |old: &str, new: &str| json!({ "new_password": new.to_owned(), "old_password": old.to_owned() });

    world.root.ok("UpdatePasswordPolicyV5", json!({ "allow_user_to_change_password": false })).await;
    bob.err("ChangePasswordV5", change("Password1", "Password2"), "SELF_CHANGE_DISABLED").await;

    let again = json!({ "allow_user_to_change_password": true, "minimum_password_age": 60 });
    world.root.ok("UpdatePasswordPolicyV5", again).await;
    // An administrator set the first one: the age counts from the user's own change.
    bob.ok("ChangePasswordV5", change("Password1", "Password2")).await;
    let reply = bob.err("ChangePasswordV5", change("Password2", "Password3"), "PASSWORD_TOO_YOUNG").await;
    assert_eq!(reply.status.code(), Code::FailedPrecondition);
    let wait = reply.details().retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!((3_500..=3_600).contains(&wait.as_secs()), "{wait:?}");
}
