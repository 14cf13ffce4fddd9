//! `ChangePassword`: a RAM user changes its own password.

use serde_json::json;

use crate::support::World;

const OLD: &str = "mypassword";
const NEW: &str = "newpassword";

#[tokio::test]
async fn a_ram_user_changes_its_own_password() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;

    let reply = alice.call("ChangePassword", json!({ "old_password": OLD, "new_password": NEW })).await;

    assert_eq!(reply.reason(), "OK");
    assert_eq!(reply.json["version"], "2");
    let id = reply.json["request_id"].as_str().unwrap();
    assert_eq!(reply.header("x-request-id"), Some(id));
    assert_eq!(id, id.to_uppercase());
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), NEW).await, "MATCHED_CURRENT");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "NOT_MATCHED");
}

#[tokio::test]
async fn a_wrong_old_password_is_reported_and_changes_nothing() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;

    let request = json!({ "old_password": "guessed-wrong", "new_password": NEW });
    let reply = alice.err("ChangePassword", request, "OLD_PASSWORD_INCORRECT").await;

    assert_eq!(reply.status.code(), tonic::Code::InvalidArgument);
    assert_eq!(reply.metadata("http_status").as_deref(), Some("400"));
    assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidParameter.OldPassword.Incorrect"));
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), OLD).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn every_broken_rule_is_reported_at_once() {
    let world = World::start().await;
    let policy = json!({
        "minimum_password_length": 12, "require_uppercase_characters": true, "require_numbers": true,
        "require_symbols": true,
    });
    world.root.ok("SetPasswordPolicy", policy).await;
    let alice = {
        world.root.ok("CreateRamUser", json!({ "user_name": "alice", "password": "Abcdefgh-123" })).await;
        world.caller("RAM_USER", "alice").await
    };

    let request = json!({ "old_password": "Abcdefgh-123", "new_password": "abc" });
    let reply = alice.err("ChangePassword", request, "PASSWORD_POLICY_VIOLATION").await;

    assert_eq!(reply.status.code(), tonic::Code::InvalidArgument);
    assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidParameter.NewPassword.TooWeak"));
    assert_eq!(
        reply.problems(),
        [
            "new_password: MIN_LENGTH",
            "new_password: REQUIRE_UPPER_CASE",
            "new_password: REQUIRE_NUMBERS",
            "new_password: REQUIRE_SYMBOLS",
        ]
    );
    assert!(reply.violations()[0].description.contains("12") && reply.violations()[0].description.contains('3'));
}

#[tokio::test]
async fn missing_fields_are_reported_all_at_once() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;

    let reply = alice.err("ChangePassword", json!({ "client_token": "t 1" }), "INVALID_FIELD").await;

    let mut problems = reply.problems();
    problems.sort();
    assert_eq!(problems, ["client_token: CHARACTER_NOT_ALLOWED", "new_password: REQUIRED", "old_password: REQUIRED"]);
}

#[tokio::test]
async fn only_ram_users_can_use_it() {
    let world = World::start().await;
    let bob = world.iam_user("bob", "Password1").await;
    let request = json!({ "old_password": "Password1", "new_password": "Password2" });

    let reply = bob.err("ChangePassword", request.clone(), "CALLER_NOT_ELIGIBLE").await;

    assert_eq!(reply.status.code(), tonic::Code::FailedPrecondition);
    assert_eq!(reply.metadata("vendor_code").as_deref(), Some("NotSupport.Account"));
    for other in [&world.root, &world.operator, &world.service().await] {
        other.err("ChangePassword", request.clone(), "CALLER_NOT_ELIGIBLE").await;
    }
}

#[tokio::test]
async fn the_tenant_can_switch_self_service_off() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    world.root.ok("SetSecurityPreference", json!({ "allow_user_to_change_password": false })).await;

    let request = json!({ "old_password": OLD, "new_password": NEW });
    let reply = alice.err("ChangePassword", request, "SELF_CHANGE_DISABLED").await;

    assert_eq!(reply.status.code(), tonic::Code::PermissionDenied);
    assert_eq!(reply.metadata("http_status").as_deref(), Some("403"));
    assert_eq!(reply.metadata("vendor_code"), None);
}

#[tokio::test]
async fn the_last_passwords_may_not_come_again() {
    let world = World::start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let alice = world.ram_user("alice", "password-0").await;
    for (old, new) in [("password-0", "password-1"), ("password-1", "password-2")] {
        alice.ok("ChangePassword", json!({ "old_password": old, "new_password": new })).await;
    }

    for used in ["password-0", "password-1", "password-2"] {
        let request = json!({ "old_password": "password-2", "new_password": used });
        let reply = alice.err("ChangePassword", request, "PASSWORD_REUSED").await;
        assert_eq!(reply.metadata("vendor_code").as_deref(), Some("InvalidParameter.NewPassword.ReusePrevention"));
    }
    alice.ok("ChangePassword", json!({ "old_password": "password-2", "new_password": "password-3" })).await;
    alice.ok("ChangePassword", json!({ "old_password": "password-3", "new_password": "password-0" })).await;
}

#[tokio::test]
async fn a_change_can_be_bound_to_a_version() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    let request = |version| json!({ "old_password": OLD, "new_password": NEW, "expected_version": version });

    let reply = alice.err("ChangePassword", request(7), "VERSION_CONFLICT").await;
    assert_eq!(reply.status.code(), tonic::Code::Aborted);
    assert_eq!(reply.metadata("current_version").as_deref(), Some("1"));
    alice.err("ChangePassword", request(0), "VERSION_CONFLICT").await;

    assert_eq!(alice.ok("ChangePassword", request(1)).await["version"], "2");
}

#[tokio::test]
async fn a_deleted_user_is_no_caller_and_its_namesake_inherits_nothing() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    for _ in 0..5 {
        let wrong = json!({ "old_password": "guessed-wrong", "new_password": NEW });
        alice.err("ChangePassword", wrong, "OLD_PASSWORD_INCORRECT").await;
    }
    world.root.ok("DeleteRamUser", json!({ "user_name": "alice" })).await;
    let request = json!({ "old_password": OLD, "new_password": NEW });
    alice.err("ChangePassword", request.clone(), "UNAUTHENTICATED").await;

    let namesake = world.ram_user("alice", OLD).await;

    alice.err("ChangePassword", request.clone(), "UNAUTHENTICATED").await;
    assert_eq!(namesake.ok("ChangePassword", request).await["version"], "2");
}

#[tokio::test]
async fn a_policy_that_shrinks_forgets_what_it_does_not_need() {
    let world = World::start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 4 })).await;
    let alice = world.ram_user("alice", "password-1").await;
    let change = |old: u32, new: u32| json!({ "old_password": format!("password-{old}"), "new_password": format!("password-{new}") });
    for number in 1..=3 {
        alice.ok("ChangePassword", change(number, number + 1)).await;
    }
    alice.err("ChangePassword", change(4, 1), "PASSWORD_REUSED").await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 2 })).await;
    // At once, whether the hashes before the third are removed by then or not.
    alice.err("ChangePassword", change(4, 3), "PASSWORD_REUSED").await;
    alice.ok("ChangePassword", change(4, 1)).await;
}
