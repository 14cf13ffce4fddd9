//! Wrong passwords: counted by pair, slowed by subject, durable, and never a way to lock another caller out.

use std::time::Duration;

use credentiald::domain::time::days;
use serde_json::{Value, json};
use tonic::Code;

use crate::store::connection_to;
use crate::support::clock::MovedClock;
use crate::support::{Client, Setup, World, database};

const RIGHT: &str = "mypassword";

fn verify(name: &str, password: &str) -> Value {
    json!({ "subject": { "ram_user": name }, "password": password })
}

async fn guess_until_refused(caller: &Client, name: &str) -> u32 {
    for guesses in 0.. {
        let reply = caller.call("VerifyPassword", verify(name, &format!("guess-{guesses}"))).await;
        if reply.status.code() != Code::Ok {
            assert_eq!(reply.reason(), "TOO_MANY_ATTEMPTS");
            assert_eq!(reply.status.code(), Code::ResourceExhausted);
            assert_eq!(reply.metadata("http_status").as_deref(), Some("429"));
            assert!(reply.details().retry_info().unwrap().retry_delay.unwrap().as_millis() > 0);
            return guesses;
        }
        assert_eq!(reply.json["result"], "NOT_MATCHED");
    }
    unreachable!()
}

#[tokio::test]
async fn one_caller_cannot_lock_a_subject_for_the_others() {
    // Longer than the test takes on any machine.
    let world = Setup::default().with("attempts.backoff_seconds", "600").start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    let attacker = world.service().await;
    let other = world.caller("SERVICE", "console").await;

    assert_eq!(guess_until_refused(&attacker, "alice").await, 5);

    assert_eq!(other.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
    alice.ok("ChangePassword", json!({ "old_password": RIGHT, "new_password": "newpassword" })).await;
    // The right password does not help the guesser.
    attacker.err("VerifyPassword", verify("alice", "newpassword"), "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn an_unknown_subject_looks_the_same_as_a_known_one() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    world.ram_user("alice", RIGHT).await;
    world.root.ok("CreateRamUser", json!({ "user_name": "without" })).await;
    let relay = world.service().await;
    for name in ["alice", "without", "nobody"] {
        assert_eq!(guess_until_refused(&relay, name).await, 5, "{name}");
    }

    world.root.ok("SetPasswordPolicy", json!({ "max_login_attemps": 2 })).await;
    let other = world.caller("SERVICE", "console").await;
    for name in ["alice", "without", "nobody"] {
        assert_eq!(guess_until_refused(&other, name).await, 2, "{name}");
    }
}

#[tokio::test]
async fn a_success_clears_what_was_counted() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    for _ in 0..3 {
        for _ in 0..4 {
            relay.ok("VerifyPassword", verify("alice", "guess")).await;
        }
        assert_eq!(relay.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
    }
}

#[tokio::test]
async fn a_refusal_costs_no_attempt() {
    let world = World::start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    for _ in 0..8 {
        let weak = json!({ "old_password": "guess", "new_password": "short" });
        alice.err("ChangePassword", weak, "PASSWORD_POLICY_VIOLATION").await;
        let bound = json!({ "old_password": "guess", "new_password": "newpassword", "expected_version": 9 });
        alice.err("ChangePassword", bound, "VERSION_CONFLICT").await;
    }
    alice.ok("ChangePassword", json!({ "old_password": RIGHT, "new_password": "newpassword" })).await;
}

#[tokio::test]
async fn attempts_survive_a_restart() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    // An hour's wait, which the restart can't outlast.
    world.root.ok("SetPasswordPolicy", json!({ "max_login_attemps": 5 })).await;
    let relay = world.service().await;
    guess_until_refused(&relay, "alice").await;

    let world = world.restart().await;

    let relay = relay.at(world.address);
    relay.err("VerifyPassword", verify("alice", RIGHT), "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn after_the_wait_there_is_one_more_attempt() {
    let clock = MovedClock::stopped();
    let world = Setup::default().with("attempts.allowance", "1").by(&clock).start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    relay.ok("VerifyPassword", verify("alice", "guess")).await;
    let reply = relay.err("VerifyPassword", verify("alice", RIGHT), "TOO_MANY_ATTEMPTS").await;
    let wait = reply.details().retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait.as_millis(), 1000);

    clock.forward(Duration::from_millis(999));
    relay.err("VerifyPassword", verify("alice", RIGHT), "TOO_MANY_ATTEMPTS").await;
    clock.forward(Duration::from_millis(1));
    assert_eq!(relay.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_tenant_can_set_the_allowance_of_its_ram_users() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    world.root.ok("SetPasswordPolicy", json!({ "max_login_attemps": 2 })).await;
    let relay = world.service().await;
    assert_eq!(guess_until_refused(&relay, "alice").await, 2);
    let reply = relay.err("VerifyPassword", verify("alice", RIGHT), "TOO_MANY_ATTEMPTS").await;
    let wait = reply.details().retry_info().unwrap().retry_delay.unwrap();
    assert!((3_500..=3_600).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn a_tenant_can_set_the_login_policy_of_its_iam_users() {
    const ID: &str = "07609fb9358010e21f7bc003751c7c98";
    const RIGHT: &str = "my-password";
    let guesses_until_refused = async |relay: &Client| {
        let guess = json!({ "subject": { "iam_user": ID }, "password": "guess" });
        let mut guesses = 0;
        while relay.call("VerifyPassword", guess.clone()).await.status.code() == Code::Ok {
            guesses += 1;
        }
        guesses
    };
    let right = json!({ "subject": { "iam_user": ID }, "password": RIGHT });
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let clock = MovedClock::stopped();
    let world = Setup::default().by(&clock).start().await;
    world.iam_user(ID, RIGHT).await;
    let policy = json!({ "login_failed_times": 3, "lockout_duration": 20, "period_with_login_failures": 30 });
    assert_eq!(world.root.ok("UpdateLoginPolicyV5", policy.clone()).await["login_policy"], policy);
    assert_eq!(world.root.ok("ShowLoginPolicyV5", json!({})).await["login_policy"], policy);
    let relay = world.service().await;

    assert_eq!(guesses_until_refused(&relay).await, 3);
    clock.forward(Duration::from_millis(20 * 60 * 1000 - 1));
    relay.err("VerifyPassword", right.clone(), "TOO_MANY_ATTEMPTS").await;
    clock.forward(Duration::from_millis(1));
    assert_eq!(guesses_until_refused(&relay).await, 1, "the wait is over, and the wrong passwords still count");
    clock.forward(minutes(31));
    assert_eq!(guesses_until_refused(&relay).await, 3, "they are counted from zero again");

    clock.forward(minutes(31));
    relay.ok("VerifyPassword", right).await;
    let listed = world.root.ok("ListAttempts", json!({ "subject": { "iam_user": ID } })).await;
    assert_eq!(listed, json!({}), "what no longer counted for the caller is not left to slow the subject");
    let other = json!({ "login_failed_times": 11, "lockout_duration": 14, "period_with_login_failures": 61 });
    let reply = world.root.err("UpdateLoginPolicyV5", other, "INVALID_FIELD").await;
    let out_of_range = ["login_failed_times", "lockout_duration", "period_with_login_failures"];
    assert_eq!(reply.problems(), out_of_range.map(|field| format!("{field}: OUT_OF_RANGE")));
}

#[tokio::test]
async fn an_administrators_reset_lifts_every_wait() {
    let world = World::start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    guess_until_refused(&relay, "alice").await;
    let request = json!({ "subject": { "ram_user": "alice" }, "password": "newpassword" });

    assert_eq!(world.root.ok("ResetPassword", request).await["version"], "2");

    assert_eq!(relay.ok("VerifyPassword", verify("alice", "newpassword")).await["result"], "MATCHED_CURRENT");
    alice.ok("ChangePassword", json!({ "old_password": "newpassword", "new_password": "mine-again" })).await;
}

#[tokio::test]
async fn who_guessed_in_vain_can_still_reset() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    guess_until_refused(&world.root, "alice").await;
    let request = json!({ "subject": { "ram_user": "alice" }, "generate_password": true });
    world.root.ok("ResetPassword", request).await;
}

#[tokio::test]
async fn callers_of_a_slowed_subject_wait_or_get_a_delay() {
    let clock = MovedClock::stopped();
    let setup = Setup::default().with("attempts.allowance", "1").with("attempts.subject_allowance", "1");
    let world = setup.by(&clock).start().await;
    world.ram_user("alice", RIGHT).await;
    let (attacker, other) = (world.service().await, world.caller("SERVICE", "console").await);
    attacker.ok("VerifyPassword", verify("alice", "guess")).await;

    let hurried = other.with_header("grpc-timeout", "900m");
    let reply = hurried.err("VerifyPassword", verify("alice", RIGHT), "TOO_MANY_ATTEMPTS").await;
    let wait = reply.details().retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait.as_millis(), 1000);
    assert_eq!(other.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT", "it waited");

    clock.forward(wait);
    assert_eq!(hurried.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
}

fn verify_from(origin: &str, password: &str) -> Value {
    json!({ "subject": { "ram_user": "alice" }, "password": password, "origin": origin })
}

/// Eleven wrong passwords of one client of a relying system, then fifty right ones of another.
async fn right_ones_that_get_through(world: &World, guesser: &str, owner: &str) -> usize {
    let relay = world.service().await;
    for guess in 0..11 {
        let reply = relay.call("VerifyPassword", verify_from(guesser, &format!("guess-{guess}"))).await;
        assert_eq!(reply.status.code() == Code::Ok, guess < 5, "{guess}");
    }
    let mut matched = 0;
    for _ in 0..50 {
        let reply = relay.call("VerifyPassword", verify_from(owner, RIGHT)).await;
        matched += usize::from(reply.status.code() == Code::Ok && reply.json["result"] == "MATCHED_CURRENT");
    }
    matched
}

#[tokio::test]
async fn a_guesser_keeps_out_those_behind_the_same_relay_unless_it_gives_origins() {
    for (guesser, owner, through) in [("", "", 0), ("192.0.2.66", "", 50), ("192.0.2.66", "198.51.100.7", 50)] {
        let world = Setup::default().by(&MovedClock::stopped()).start().await;
        world.ram_user("alice", RIGHT).await;
        let matched = right_ones_that_get_through(&world, guesser, owner).await;
        assert_eq!(matched, through, "guesser {guesser:?}, owner {owner:?}");
        let relay = world.service().await;
        relay.err("VerifyPassword", verify_from(guesser, RIGHT), "TOO_MANY_ATTEMPTS").await;
    }
}

#[tokio::test]
async fn guesses_from_many_origins_delay_the_owner_by_no_more_than_the_longest_delay() {
    let limits = [("attempts.subject_allowance", "4"), ("attempts.subject_longest_backoff_seconds", "1")];
    let setup = limits.iter().fold(Setup::default(), |setup, (key, value)| setup.with(key, value));
    let world = setup.by(&MovedClock::stopped()).start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    for name in ["alice", "nobody"] {
        for number in 0..4 {
            let guess = json!({
                "subject": { "ram_user": name }, "password": "guess", "origin": format!("192.0.2.{number}"),
            });
            assert_eq!(relay.ok("VerifyPassword", guess).await["result"], "NOT_MATCHED", "{name}");
        }
    }
    let hurried = relay.with_header("grpc-timeout", "900m");
    let reply = hurried.err("VerifyPassword", verify_from("198.51.100.7", RIGHT), "TOO_MANY_ATTEMPTS").await;
    assert_eq!(reply.details().retry_info().unwrap().retry_delay.unwrap().as_secs(), 1);
    let answer = relay.ok("VerifyPassword", verify_from("198.51.100.7", RIGHT)).await;
    assert_eq!(answer["result"], "MATCHED_CURRENT", "it waited");
    let nobodys = json!({ "subject": { "ram_user": "nobody" }, "password": RIGHT, "origin": "198.51.100.7" });
    hurried.err("VerifyPassword", nobodys, "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn a_caller_that_is_stopped_stays_so_until_the_password_is_reset() {
    let clock = MovedClock::stopped();
    let setup = Setup::default().with("attempts.allowance", "2").with("attempts.stop_after", "4");
    let world = setup.by(&clock).start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    let (relay, other) = (world.service().await, world.caller("SERVICE", "console").await);
    for name in ["alice", "nobody"] {
        for _ in 0..4 {
            relay.ok("VerifyPassword", verify(name, "guess")).await;
            clock.forward(Duration::from_secs(10));
        }
        clock.forward(days(30));
        let reply = relay.err("VerifyPassword", verify(name, RIGHT), "TOO_MANY_ATTEMPTS").await;
        assert_eq!(reply.metadata("stopped").as_deref(), Some("true"), "{name}");
        assert_eq!(reply.details().retry_info().unwrap().retry_delay.unwrap().as_secs(), 900);
    }

    let from_elsewhere = verify_from("198.51.100.7", RIGHT);
    assert_eq!(relay.ok("VerifyPassword", from_elsewhere).await["result"], "MATCHED_CURRENT", "another origin");
    assert_eq!(other.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
    alice.ok("ChangePassword", json!({ "old_password": RIGHT, "new_password": "newpassword" })).await;
    relay.err("VerifyPassword", verify("alice", "newpassword"), "TOO_MANY_ATTEMPTS").await;

    let reset = json!({ "subject": { "ram_user": "alice" }, "password": "another-one" });
    world.root.ok("ResetPassword", reset).await;
    assert_eq!(relay.ok("VerifyPassword", verify("alice", "another-one")).await["result"], "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_guesser_who_pauses_is_stopped_all_the_same() {
    let clock = MovedClock::stopped();
    let world = Setup::default().with("attempts.stop_after", "4").by(&clock).start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    for name in ["alice", "nobody"] {
        for _ in 0..3 {
            relay.ok("VerifyPassword", verify(name, "guess")).await;
        }
        clock.forward(days(8));
        relay.ok("VerifyPassword", verify(name, "guess")).await;
        let reply = relay.err("VerifyPassword", verify(name, RIGHT), "TOO_MANY_ATTEMPTS").await;
        assert_eq!(reply.metadata("stopped").as_deref(), Some("true"), "{name}");
    }
}

#[tokio::test]
async fn an_administrator_lists_attempts_and_clears_those_of_one_origin_or_all() {
    let setup = Setup::default().with("attempts.allowance", "2").with("attempts.stop_after", "3");
    let clock = MovedClock::stopped();
    let world = setup.by(&clock).start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    for origin in ["", "192.0.2.66", "198.51.100.7"] {
        for _ in 0..2 {
            relay.ok("VerifyPassword", verify_from(origin, "guess")).await;
        }
    }
    clock.forward(Duration::from_secs(1));
    relay.ok("VerifyPassword", verify_from("192.0.2.66", "guess")).await;
    let alice = json!({ "subject": { "ram_user": "alice" } });
    let and = |mut request: Value, name: &str, value: &str| {
        request[name] = json!(value);
        request
    };

    let listed = world.root.ok("ListAttempts", alice.clone()).await;
    assert_eq!(listed["failures_of_all"], 4, "without those of the pair that is stopped");
    let attempts = listed["attempts"].as_array().unwrap();
    assert!(attempts.iter().all(|one| one["caller_kind"] == "CALLER_KIND_SERVICE" && one["caller_name"] == "relay"));
    let mut shown: Vec<_> = attempts
        .iter()
        .map(|one| (one["has_origin"] == true, one["failures"].as_u64(), one["stopped"] == true))
        .collect();
    shown.sort();
    assert_eq!(shown, [(false, Some(2), false), (true, Some(2), false), (true, Some(3), true)]);

    let owners = and(alice.clone(), "origin", "198.51.100.7");
    let owners = world.operator.ok("ListAttempts", and(owners, "tenant", "acme")).await;
    let [owners] = owners["attempts"].as_array().unwrap().as_slice() else { panic!("{owners}") };
    relay.ok("VerifyPassword", verify_from("198.51.100.7", "guess")).await;
    relay.err("VerifyPassword", verify_from("198.51.100.7", RIGHT), "TOO_MANY_ATTEMPTS").await;
    let id = owners["attempts_id"].as_str().unwrap();
    assert_eq!(world.root.ok("ClearAttempts", and(alice.clone(), "attempts_id", id)).await["cleared"], true);
    assert_eq!(relay.ok("VerifyPassword", verify_from("198.51.100.7", RIGHT)).await["result"], "MATCHED_CURRENT");
    relay.err("VerifyPassword", verify_from("192.0.2.66", RIGHT), "TOO_MANY_ATTEMPTS").await;

    world.root.ok("ClearAttempts", alice.clone()).await;
    assert_eq!(relay.ok("VerifyPassword", verify_from("192.0.2.66", RIGHT)).await["result"], "MATCHED_CURRENT");
    assert_eq!(world.root.ok("ListAttempts", alice.clone()).await, json!({}));
    let found = "SELECT count(*) FROM audit_event WHERE action = 'admin:ClearAttempts' AND outcome = 'done'
         AND resource = 'acs:ram::acme:user/alice' AND subject_id IS NOT NULL";
    let audited: u32 = connection_to(&database(&world.directory)).query_row(found, [], |row| row.get(0)).unwrap();
    assert_eq!(audited, 2);
}

#[tokio::test]
async fn attempts_are_cleared_by_administrators_of_subjects_that_exist() {
    let world = World::start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    let request = json!({ "subject": { "ram_user": "alice" } });
    for caller in [&alice, &world.service().await] {
        for method in ["AdminService/ListAttempts", "AdminService/ClearAttempts"] {
            caller.err(method, request.clone(), "ACCESS_DENIED").await;
        }
    }
    for method in ["ListAttempts", "ClearAttempts"] {
        world.root.err(method, json!({ "subject": { "ram_user": "nobody" } }), "USER_NOT_FOUND").await;
    }
    let bad = json!({ "subject": { "ram_user": "alice" }, "attempts_id": "1" });
    assert_eq!(world.root.err("ClearAttempts", bad, "INVALID_FIELD").await.problems(), ["attempts_id: MALFORMED"]);
}

#[tokio::test]
async fn an_origin_is_at_most_256_visible_ascii_characters() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    relay.ok("VerifyPassword", verify_from(&"o".repeat(256), RIGHT)).await;
    for (bad, reason) in [("o".repeat(257), "TOO_LONG"), ("two words".to_owned(), "CHARACTER_NOT_ALLOWED")] {
        let reply = relay.err("VerifyPassword", verify_from(&bad, RIGHT), "INVALID_FIELD").await;
        assert_eq!(reply.problems(), [format!("origin: {reason}")]);
    }
}

#[tokio::test]
async fn a_relying_system_learns_what_exists_and_a_sign_in_does_not() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    let of = |name: &str| json!({ "subject": { "ram_user": name } });
    for name in ["alice", "nobody"] {
        assert_eq!(relay.ok("VerifyPassword", verify(name, "guess")).await["result"], "NOT_MATCHED", "{name}");
    }
    relay.ok("CheckPassword", verify("alice", "newpassword")).await;
    relay.ok("GeneratePassword", of("alice")).await;
    relay.err("CheckPassword", verify("nobody", "newpassword"), "USER_NOT_FOUND").await;
    relay.err("GeneratePassword", of("nobody"), "USER_NOT_FOUND").await;
}

#[tokio::test]
async fn a_wait_on_a_name_goes_on_when_its_subject_is_made_and_ends_with_it() {
    let clock = MovedClock::stopped();
    let world = Setup::default().by(&clock).start().await;
    let relay = world.service().await;
    guess_until_refused(&relay, "alice").await;

    world.ram_user("alice", RIGHT).await;
    relay.err("VerifyPassword", verify("alice", RIGHT), "TOO_MANY_ATTEMPTS").await;
    clock.forward(Duration::from_secs(1));
    assert_eq!(relay.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
    assert_eq!(guess_until_refused(&relay, "alice").await, 5, "a match forgets those on the name");

    world.root.ok("DeleteRamUser", json!({ "user_name": "alice" })).await;
    world.ram_user("alice", RIGHT).await;
    assert_eq!(relay.ok("VerifyPassword", verify("alice", RIGHT)).await["result"], "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_tenant_that_is_made_again_inherits_no_wait() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    let relay_of = async |root: &Client| {
        let request = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let issued = root.ok("IssueAccessToken", request).await;
        world.anybody().with_token(issued["token"].as_str().unwrap())
    };
    let relay = relay_of(&world.tenant("globex").await).await;
    guess_until_refused(&relay, "alice").await;
    world.operator.ok("DeleteTenant", json!({ "tenant": "globex" })).await;

    let relay = relay_of(&world.tenant("globex").await).await;
    assert_eq!(guess_until_refused(&relay, "alice").await, 5);
}
