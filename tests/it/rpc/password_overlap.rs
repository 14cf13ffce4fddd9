//! Overlaps: a password is rotated, and the programs that use it switch over when they can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::clock::MovedClock;
use crate::support::{Client, Setup, World};

const FIRST: &str = "First-Mail-12";
const SECOND: &str = "Second-Mail-23";
const THIRD: &str = "Third-Mail-34";
const DOMAIN: &str = "mail.example";

fn domain() -> Value {
    json!({ "mail_domain": DOMAIN })
}

fn account() -> Value {
    json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } })
}

async fn set_overlap(world: &World, subject: &Value, seconds: u32) -> Value {
    let request = json!({ "subject": subject, "overlap_seconds": seconds });
    world.root.ok("SetPasswordOverlap", request).await["overlap"].clone()
}

async fn describe(world: &World, subject: &Value) -> Value {
    world.root.ok("DescribePasswordOverlap", json!({ "subject": subject })).await["overlap"].clone()
}

/// A world with a mail domain whose first password is good for an hour after it is replaced.
async fn world_with_overlap(clock: &MovedClock) -> World {
    let world = Setup::default().by(clock).start().await;
    world.mail_domain(DOMAIN, FIRST).await;
    set_overlap(&world, &domain(), 3600).await;
    world
}

async fn change(world: &World, password: &str) {
    world.root.ok("ModifyPWByDomain", json!({ "domain_name": DOMAIN, "password": password })).await;
}

#[tokio::test]
async fn without_an_overlap_a_change_holds_at_once() {
    let world = World::start().await;
    world.mail_domain(DOMAIN, FIRST).await;
    change(&world, SECOND).await;
    assert_eq!(world.verify_each(&domain(), &[FIRST, SECOND]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    let overlap = describe(&world, &domain()).await;
    assert!(overlap["previous"].is_null() && overlap["overlap_seconds"].is_null(), "{overlap}");
}

#[tokio::test]
async fn during_an_overlap_both_passwords_verify_with_different_results() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    world.mail_domain(DOMAIN, FIRST).await;
    world.instance_account("r-1", "app", FIRST).await;
    for subject in [domain(), account()] {
        assert_eq!(set_overlap(&world, &subject, 3600).await["overlap_seconds"], 3600);
    }
    change(&world, SECOND).await;
    let request = json!({ "instance_id": "r-1", "account_name": "app",
        "old_account_password": FIRST, "new_account_password": SECOND });
    world.root.ok("ModifyAccountPassword", request).await;

    for subject in [domain(), account()] {
        let found = world.verify_each(&subject, &[FIRST, SECOND, THIRD]).await;
        assert_eq!(found, ["MATCHED_PREVIOUS", "MATCHED_CURRENT", "NOT_MATCHED"]);
        let overlap = describe(&world, &subject).await;
        assert_eq!((&overlap["current"]["version"], &overlap["previous"]["version"]), (&json!("2"), &json!("1")));
        assert!(overlap["current"]["expire_time"].is_null() && !overlap["previous"]["expire_time"].is_null());
        assert!(!overlap["current"]["change_time"].is_null() && !overlap["previous"]["change_time"].is_null());
    }
    clock.forward(Duration::from_mins(59));
    assert_eq!(world.verify_each(&domain(), &[FIRST]).await, ["MATCHED_PREVIOUS"]);
    clock.forward(Duration::from_mins(1));
    for subject in [domain(), account()] {
        assert_eq!(world.verify_each(&subject, &[FIRST, SECOND]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
        assert!(describe(&world, &subject).await["previous"].is_null());
    }
}

#[tokio::test]
async fn an_overlap_survives_a_restart() {
    let world = world_with_overlap(&MovedClock::default()).await;
    change(&world, SECOND).await;
    let world = world.restart().await;
    assert_eq!(world.verify_each(&domain(), &[FIRST, SECOND]).await, ["MATCHED_PREVIOUS", "MATCHED_CURRENT"]);
}

/// Verifies a password again and again until it has to stop, and returns what it found and how often.
async fn relay(caller: Client, password: &'static str, stop: Arc<AtomicBool>) -> (Vec<String>, u32) {
    let (mut found, mut count) = (Vec::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        let request = json!({ "subject": domain(), "password": password });
        let result = caller.ok("VerifyPassword", request).await["result"].as_str().unwrap().to_owned();
        if found.last() != Some(&result) {
            found.push(result);
        }
        count += 1;
    }
    (found, count)
}

#[tokio::test]
async fn no_verification_fails_while_a_password_is_rotated() {
    let world = world_with_overlap(&MovedClock::default()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let [slow, quick] = [world.caller("SERVICE", "slow").await, world.caller("SERVICE", "quick").await];
    let slow = tokio::spawn(relay(slow, FIRST, Arc::clone(&stop)));

    change(&world, SECOND).await;
    for _ in 0..5 {
        let request = json!({ "subject": domain(), "password": SECOND });
        assert_eq!(quick.ok("VerifyPassword", request).await["result"], "MATCHED_CURRENT");
    }
    stop.store(true, Ordering::SeqCst);
    let (found, count) = slow.await.unwrap();

    assert_eq!(found, ["MATCHED_CURRENT", "MATCHED_PREVIOUS"], "{count}");
    // Once the slow one has switched over as well, the old password goes.
    world.root.ok("EndPasswordOverlap", json!({ "subject": domain() })).await;
    assert_eq!(world.verify_each(&domain(), &[FIRST, SECOND]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
}

#[tokio::test]
async fn never_more_than_two_passwords_are_good() {
    let world = world_with_overlap(&MovedClock::default()).await;
    change(&world, SECOND).await;
    change(&world, THIRD).await;
    let found = world.verify_each(&domain(), &[FIRST, SECOND, THIRD]).await;
    assert_eq!(found, ["NOT_MATCHED", "MATCHED_PREVIOUS", "MATCHED_CURRENT"]);
}

#[tokio::test]
async fn a_reset_ends_it() {
    let world = world_with_overlap(&MovedClock::default()).await;
    for rounds in 0..2 {
        change(&world, &format!("{SECOND}-{rounds}")).await;
        let previous = if rounds == 0 { FIRST } else { THIRD };
        assert_eq!(world.verify_each(&domain(), &[previous]).await, ["MATCHED_PREVIOUS"]);
        world.root.ok("ResetPassword", json!({ "subject": domain(), "password": THIRD })).await;
        let found = world.verify_each(&domain(), &[&format!("{SECOND}-{rounds}"), THIRD]).await;
        assert_eq!(found, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    }
}

#[tokio::test]
async fn a_reset_for_a_rotation_begins_one() {
    let world = world_with_overlap(&MovedClock::default()).await;
    let mut watch = world.service().await.watch(json!({})).await;
    watch.next().await.unwrap();
    let reset = |token: &str, password: &str| json!({ "subject": domain(), "password": password, "keep_previous": true, "expected_version": 1, "client_token": token });
    let mut tried = reset("", SECOND);
    tried["validate_only"] = json!(true);
    assert_eq!(world.root.ok("ResetPassword", tried).await["version"], "1");
    assert_eq!(world.verify_each(&domain(), &[FIRST, SECOND]).await, ["MATCHED_CURRENT", "NOT_MATCHED"]);

    for _ in 0..2 {
        assert_eq!(world.root.ok("ResetPassword", reset("r-1", SECOND)).await["version"], "2");
    }
    world.root.err("ResetPassword", reset("r-1", THIRD), "CLIENT_TOKEN_MISMATCH").await;
    world.root.err("ResetPassword", reset("r-2", THIRD), "VERSION_CONFLICT").await;
    let found = world.verify_each(&domain(), &[FIRST, SECOND, THIRD]).await;
    assert_eq!(found, ["MATCHED_PREVIOUS", "MATCHED_CURRENT", "NOT_MATCHED"]);
    let until = describe(&world, &domain()).await["previous"]["expire_time"].clone();
    let event = watch.event().await;
    assert!(!until.is_null());
    assert_eq!((&event["event"]["reset"]["version"], &event["event"]["reset"]["overlap_until"]), (&json!("2"), &until));
}

#[tokio::test]
async fn a_reset_that_is_only_checked_generates_a_password_and_sets_nothing() {
    let world = World::start().await;
    world.ram_user("alice", "mypassword").await;
    let request = |changes: Value| {
        let mut request = json!({ "subject": { "ram_user": "alice" }, "validate_only": true });
        request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        request
    };
    let reply =
        world.root.ok("ResetPassword", request(json!({ "generate_password": true, "expected_version": 1 }))).await;
    let proposed = reply["generated_password"].as_str().unwrap();
    let subject = json!({ "ram_user": "alice" });
    assert_eq!(world.verify_each(&subject, &["mypassword", proposed]).await, ["MATCHED_CURRENT", "NOT_MATCHED"]);
    world.root.ok("ResetPassword", json!({ "subject": subject, "password": proposed })).await;
    for (changes, reason) in [
        (json!({ "generate_password": true, "expected_version": 1 }), "VERSION_CONFLICT"),
        (json!({ "password": "x" }), "PASSWORD_POLICY_VIOLATION"),
        (json!({ "generate_password": true, "client_token": "t" }), "INVALID_FIELD"),
        (json!({ "generate_password": true, "keep_previous": true }), "INVALID_FIELD"),
        (json!({ "generate_password": true, "subject": { "ram_user": "bob" } }), "USER_NOT_FOUND"),
    ] {
        world.root.err("ResetPassword", request(changes), reason).await;
    }
    let relay = world.service().await;
    relay.err("ResetPassword", request(json!({ "generate_password": true })), "ACCESS_DENIED").await;
}

#[tokio::test]
async fn only_the_current_password_proves_the_old_one() {
    let world = World::start().await;
    world.instance_account("r-1", "app", FIRST).await;
    set_overlap(&world, &account(), 3600).await;
    let change = |old: &str, new: &str| json!({ "instance_id": "r-1", "account_name": "app", "old_account_password": old, "new_account_password": new });
    world.root.ok("ModifyAccountPassword", change(FIRST, SECOND)).await;
    assert_eq!(world.verify_each(&account(), &[FIRST]).await, ["MATCHED_PREVIOUS"]);
    world.root.err("ModifyAccountPassword", change(FIRST, THIRD), "OLD_PASSWORD_INCORRECT").await;
    world.root.ok("ModifyAccountPassword", change(SECOND, THIRD)).await;
}

#[tokio::test]
async fn a_smaller_length_shortens_the_one_that_runs_and_a_larger_one_does_not_stretch_it() {
    let clock = MovedClock::default();
    let world = world_with_overlap(&clock).await;
    change(&world, SECOND).await;
    set_overlap(&world, &domain(), 7200).await;
    clock.forward(Duration::from_mins(10));
    set_overlap(&world, &domain(), 1200).await;
    assert_eq!(world.verify_each(&domain(), &[FIRST]).await, ["MATCHED_PREVIOUS"]);
    clock.forward(Duration::from_mins(10));
    assert_eq!(world.verify_each(&domain(), &[FIRST]).await, ["NOT_MATCHED"]);

    set_overlap(&world, &domain(), 3600).await;
    change(&world, THIRD).await;
    set_overlap(&world, &domain(), 7200).await;
    clock.forward(Duration::from_hours(1));
    assert_eq!(world.verify_each(&domain(), &[SECOND]).await, ["NOT_MATCHED"], "it was not stretched");
}

#[tokio::test]
async fn a_length_of_nothing_ends_it() {
    let world = world_with_overlap(&MovedClock::default()).await;
    change(&world, SECOND).await;
    let overlap = set_overlap(&world, &domain(), 0).await;
    assert!(overlap["previous"].is_null(), "{overlap}");
    assert_eq!(world.verify_each(&domain(), &[FIRST, SECOND]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
    // And what was ended does not come back with a new length.
    set_overlap(&world, &domain(), 3600).await;
    assert_eq!(world.verify_each(&domain(), &[FIRST]).await, ["NOT_MATCHED"]);
}

#[tokio::test]
async fn for_a_clock_that_jumped_back_an_overlap_is_over() {
    let clock = MovedClock::default();
    let world = world_with_overlap(&clock).await;
    change(&world, SECOND).await;
    clock.back(Duration::from_hours(24));
    assert_eq!(world.verify_each(&domain(), &[FIRST, SECOND]).await, ["NOT_MATCHED", "MATCHED_CURRENT"]);
}

#[tokio::test]
async fn it_takes_seven_days_at_most_and_users_have_none() {
    let world = World::start().await;
    world.mail_domain(DOMAIN, FIRST).await;
    world.ram_user("alice", "mypassword").await;
    set_overlap(&world, &domain(), 7 * 86_400).await;
    let long = json!({ "subject": domain(), "overlap_seconds": 7 * 86_400 + 1 });
    let reply = world.root.err("SetPasswordOverlap", long, "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["overlap_seconds: OUT_OF_RANGE"]);
    for rpc in ["SetPasswordOverlap", "DescribePasswordOverlap", "EndPasswordOverlap"] {
        for user in [json!({ "ram_user": "alice" }), json!({ "iam_user": "bob" })] {
            let reply = world.root.err(rpc, json!({ "subject": user }), "INVALID_FIELD").await;
            assert_eq!(reply.problems(), ["subject: MALFORMED"], "{rpc}");
        }
        let absent = json!({ "subject": { "mail_domain": "absent.example" } });
        world.root.err(rpc, absent, "DOMAIN_NOT_FOUND").await;
        world.service().await.err(rpc, json!({ "subject": domain() }), "ACCESS_DENIED").await;
    }
}

#[tokio::test]
async fn an_administrator_sees_who_uses_which_password() {
    let world = world_with_overlap(&MovedClock::default()).await;
    let [slow, quick] = [world.caller("SERVICE", "slow").await, world.caller("SERVICE", "quick").await];
    change(&world, SECOND).await;
    for (caller, password) in [(&slow, FIRST), (&quick, SECOND), (&slow, "guess")] {
        caller.ok("VerifyPassword", json!({ "subject": domain(), "password": password })).await;
    }
    // An orderly stop waits for what nobody else waits for.
    let world = world.restart().await;

    let overlap = describe(&world, &domain()).await;
    let users = |password: &Value| -> Vec<String> {
        let uses = password["uses"].as_array().cloned().unwrap_or_default();
        assert!(uses.iter().all(|one| one["caller_kind"] == "CALLER_KIND_SERVICE" && !one["last_use_time"].is_null()));
        uses.iter().map(|one| one["caller_name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (users(&overlap["previous"]), users(&overlap["current"])),
        (vec!["slow".to_owned()], vec!["quick".to_owned()])
    );
}

#[tokio::test]
async fn without_an_overlap_no_caller_is_noted() {
    let world = World::start().await;
    world.mail_domain(DOMAIN, FIRST).await;
    assert_eq!(world.verify_each(&domain(), &[FIRST]).await, ["MATCHED_CURRENT"]);
    let world = world.restart().await;
    assert!(describe(&world, &domain()).await["current"]["uses"].is_null());
}

#[tokio::test]
async fn a_wrong_password_during_an_overlap_is_one_attempt() {
    let world = world_with_overlap(&MovedClock::stopped()).await;
    change(&world, SECOND).await;
    let relay = world.service().await;
    for guess in 0..5 {
        let request = json!({ "subject": domain(), "password": format!("guess-{guess}") });
        assert_eq!(relay.ok("VerifyPassword", request).await["result"], "NOT_MATCHED");
    }
    let right = json!({ "subject": domain(), "password": FIRST });
    relay.err("VerifyPassword", right, "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn a_watcher_receives_the_end_of_an_overlap() {
    let world = world_with_overlap(&MovedClock::default()).await;
    let mut watch = world.service().await.watch(json!({})).await;
    watch.next().await.unwrap();
    change(&world, SECOND).await;
    let event = watch.event().await;
    let until = describe(&world, &domain()).await["previous"]["expire_time"].clone();
    assert!(!until.is_null());
    assert_eq!(event["event"]["changed"]["overlap_until"], until, "{event}");
}

#[tokio::test]
async fn the_password_before_forgives_no_guess_at_the_current_one() {
    let world = world_with_overlap(&MovedClock::stopped()).await;
    change(&world, SECOND).await;
    let relay = world.service().await;
    let verification = |password: &str| json!({ "subject": domain(), "password": password });
    for guess in 0..4 {
        let reply = relay.ok("VerifyPassword", verification(&format!("guess-{guess}"))).await;
        assert_eq!(reply["result"], "NOT_MATCHED");
    }
    assert_eq!(relay.ok("VerifyPassword", verification(FIRST)).await["result"], "MATCHED_PREVIOUS");
    assert_eq!(relay.ok("VerifyPassword", verification("guess-4")).await["result"], "NOT_MATCHED");
    relay.err("VerifyPassword", verification("guess-5"), "TOO_MANY_ATTEMPTS").await;
}
