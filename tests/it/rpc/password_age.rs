//! How old a password has to be, and how old it may become.

use std::time::Duration;

use serde_json::json;

use crate::support::Setup;
use crate::support::clock::MovedClock;
use crate::support::tenant::change;

const OLD: &str = "Password1";
const NEW: &str = "Password2";
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_ram_users_password_expires_and_its_user_can_replace_it() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let (alice, subject) = (world.ram_user("alice", OLD).await, json!({ "ram_user": "alice" }));
    alice.ok("ChangePassword", change(OLD, OLD)).await;
    clock.forward(DAY * 30);
    assert_eq!(world.verify_each(&subject, &[OLD]).await, ["MATCHED_CURRENT"], "0 days mean never");
    world.root.ok("SetPasswordPolicy", json!({ "max_password_age": 31 })).await;
    assert_eq!(world.verify_each(&subject, &[OLD]).await, ["MATCHED_CURRENT"]);

    clock.forward(DAY);
    assert_eq!(world.verify_each(&subject, &[OLD, NEW]).await, ["CHANGE_REQUIRED", "NOT_MATCHED"]);
    alice.err("ChangePassword", change(OLD, OLD), "PASSWORD_REUSED").await;
    alice.ok("ChangePassword", change(OLD, NEW)).await;
    assert_eq!(world.verify_each(&subject, &[OLD, NEW]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);

    // A new bound holds at once, also for what is older.
    clock.forward(DAY * 2);
    world.root.ok("SetPasswordPolicy", json!({ "max_password_age": 2 })).await;
    assert_eq!(world.verify_each(&subject, &[NEW]).await, ["CHANGE_REQUIRED"]);
}

#[tokio::test]
async fn under_hard_expiry_only_an_administrator_can_replace_it() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let (alice, subject) = (world.ram_user("alice", OLD).await, json!({ "ram_user": "alice" }));
    world.root.ok("SetPasswordPolicy", json!({ "max_password_age": 30, "hard_expiry": true })).await;
    alice.ok("ChangePassword", change(OLD, NEW)).await;
    clock.forward(DAY * 30);

    assert_eq!(world.verify_each(&subject, &[OLD, NEW]).await, ["NOT_MATCHED", "EXPIRED"]);
    let reply = alice.err("ChangePassword", change(NEW, "Password3"), "PASSWORD_EXPIRED").await;
    assert_eq!(reply.status.code(), tonic::Code::FailedPrecondition);

    let reset = json!({ "subject": subject, "password": "Password3" });
    world.root.ok("ResetPassword", reset).await;
    assert_eq!(world.verify_each(&subject, &["Password3"]).await, ["MATCHED_CURRENT"]);
    alice.ok("ChangePassword", change("Password3", "Password4")).await;
}

#[tokio::test]
async fn an_iam_users_password_has_to_be_changed_when_its_validity_is_over() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let (bob, subject) = (world.iam_user("bob", OLD).await, json!({ "iam_user": "bob" }));
    world.root.ok("UpdatePasswordPolicyV5", json!({ "password_validity_period": 30 })).await;
    clock.forward(DAY * 30);
    assert_eq!(world.verify_each(&subject, &[OLD]).await, ["CHANGE_REQUIRED"]);
    bob.err("ChangePasswordV5", change(OLD, OLD), "PASSWORD_REUSED").await;
    bob.ok("ChangePasswordV5", change(OLD, NEW)).await;
    assert_eq!(world.verify_each(&subject, &[NEW]).await, ["MATCHED_CURRENT"]);
}

#[tokio::test]
async fn an_iam_user_waits_after_its_own_change_only() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let bob = world.iam_user("bob", OLD).await;
    world.root.ok("UpdatePasswordPolicyV5", json!({ "minimum_password_age": 60 })).await;
    // The first password was set by an administrator.
    bob.ok("ChangePasswordV5", change(OLD, NEW)).await;

    clock.forward(Duration::from_mins(50));
    let reply = bob.err("ChangePasswordV5", change(NEW, OLD), "PASSWORD_TOO_YOUNG").await;
    let left = reply.details().retry_info().unwrap().retry_delay.unwrap();
    assert!((590..=600).contains(&left.as_secs()), "{left:?}");
    clock.forward(Duration::from_mins(10));
    bob.ok("ChangePasswordV5", change(NEW, OLD)).await;

    let reset = json!({ "subject": { "iam_user": "bob" }, "password": "Password5" });
    world.root.ok("ResetPassword", reset).await;
    bob.ok("ChangePasswordV5", change("Password5", "Password6")).await;
}

#[tokio::test]
async fn a_clock_that_jumped_back_neither_expires_a_password_nor_lets_a_wait_last_longer() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let bob = world.iam_user("bob", OLD).await;
    let policy = json!({ "minimum_password_age": 60, "password_validity_period": 1 });
    world.root.ok("UpdatePasswordPolicyV5", policy).await;
    bob.ok("ChangePasswordV5", change(OLD, NEW)).await;
    clock.back(DAY);
    assert_eq!(world.verify_each(&json!({ "iam_user": "bob" }), &[NEW]).await, ["MATCHED_CURRENT"]);
    let reply = bob.err("ChangePasswordV5", change(NEW, OLD), "PASSWORD_TOO_YOUNG").await;
    let left = reply.details().retry_info().unwrap().retry_delay.unwrap();
    assert!(left <= Duration::from_hours(1), "{left:?}");
}
