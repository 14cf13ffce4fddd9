//! `client_token`: a request that is sent again is answered again, and nothing is done twice.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::clock::MovedClock;
use crate::support::serving::{eventually, eventually_async};
use crate::support::{Client, Setup, World};

const OLD: &str = "mypassword";
const NEW: &str = "newpassword";
const DAY: Duration = Duration::from_hours(24);

/// A RAM user's change from `old` to `new`.
fn change(old: &str, new: &str, client_token: &str) -> Value {
    json!({ "old_password": old, "new_password": new, "client_token": client_token })
}

/// A request of each of the four RPCs, with who sends it, and whose password it changes.
pub(super) async fn requests(world: &World) -> [(Client, &'static str, Value, Value); 4] {
    let alice = world.ram_user("alice", OLD).await;
    let bob = world.iam_user("bob", "Password1").await;
    world.mail_domain("mail.example", "OLDmail1234").await;
    world.instance_account("r-1", "app", "Password1").await;
    let account = json!({ "instance_id": "r-1", "account_name": "app" });
    let mut of_account = account.clone();
    of_account["old_account_password"] = "Password1".into();
    of_account["new_account_password"] = "Password2".into();
    of_account["client_token"] = "t-1".into();
    let of_domain = json!({ "domain_name": "mail.example", "password": "NEWmail1234", "client_token": "t-1" });
    [
        (alice, "ChangePassword", change(OLD, NEW, "t-1"), json!({ "ram_user": "alice" })),
        (bob, "ChangePasswordV5", change("Password1", "Password2", "t-1"), json!({ "iam_user": "bob" })),
        (world.root.clone(), "ModifyPWByDomain", of_domain, json!({ "mail_domain": "mail.example" })),
        (world.root.clone(), "ModifyAccountPassword", of_account, json!({ "instance_account": account })),
    ]
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_again_and_changes_nothing() {
    let world = World::start().await;
    for (caller, rpc, request, subject) in requests(&world).await {
        let first = caller.ok(rpc, request.clone()).await;
        let second = caller.ok(rpc, request.clone()).await;
        assert_eq!((&first["version"], &second["version"]), (&json!("2"), &json!("2")), "{rpc}");
        if rpc != "ChangePasswordV5" {
            assert_ne!(first["request_id"], second["request_id"], "{rpc}");
        }
        let reset = json!({ "subject": subject, "generate_password": true, "expected_version": 2 });
        assert_eq!(world.root.ok("ResetPassword", reset).await["version"], "3", "{rpc}");
    }
}

#[tokio::test]
async fn it_is_answered_again_after_a_restart_and_by_another_replica() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await;

    let replica = world.replica().await;
    assert_eq!(alice.at(replica.address).ok("ChangePassword", change(OLD, NEW, "t-1")).await["version"], "2");
    drop(replica);
    let world = world.restart().await;
    assert_eq!(alice.at(world.address).ok("ChangePassword", change(OLD, NEW, "t-1")).await["version"], "2");
}

#[tokio::test]
async fn who_hung_up_learns_the_version_by_sending_it_again() {
    // Hashes take so long that the caller is gone before they are finished.
    let world = Setup::default().with("hashing.workers", "1").with("hashing.iterations", "4").start().await;
    let alice = world.ram_user("alice", OLD).await;
    let (gone, before) = (alice.at(world.address), world.engine().begun);
    let call = tokio::spawn(async move { gone.call("ChangePassword", change(OLD, NEW, "t-1")).await });
    eventually("its hashes", || (world.engine().begun > before).then_some(())).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled(), "it was answered");

    let made = eventually_async("the change", async || {
        let described = world.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
        Some(described["ram_user"]["credential"]["version"].clone()).filter(|version| version != "1")
    });
    assert_eq!(made.await, "2");
    assert_eq!(alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await["version"], "2");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), NEW).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn sixteen_parallel_sends_make_one_version_and_all_succeed() {
    let world = World::start().await;
    for (caller, rpc, request, _) in requests(&world).await {
        let replies = join_all((0..16).map(|_| caller.call(rpc, request.clone()))).await;
        for reply in replies {
            assert_eq!((reply.reason().as_str(), &reply.json["version"]), ("OK", &json!("2")), "{rpc}");
        }
    }
}

#[tokio::test]
async fn two_replicas_that_get_one_request_at_once_make_one_version() {
    let world = World::start().await;
    let replica = world.replica().await;
    let alice = world.ram_user("alice", OLD).await;
    let there = alice.at(replica.address);
    for round in 1..=4 {
        let request = change(&format!("{OLD}-{round}"), &format!("{OLD}-{}", round + 1), &format!("t-{round}"));
        let first = json!({ "subject": { "ram_user": "alice" }, "password": format!("{OLD}-{round}") });
        let made = world.root.ok("ResetPassword", first).await["version"].as_str().unwrap().parse::<u64>().unwrap() + 1;
        let (here, there) =
            tokio::join!(alice.ok("ChangePassword", request.clone()), there.ok("ChangePassword", request.clone()));
        let made = json!(made.to_string());
        assert_eq!((&here["version"], &there["version"]), (&made, &made));
    }
}

#[tokio::test]
async fn another_password_or_expected_version_is_a_mismatch() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await;

    let reply = alice.err("ChangePassword", change(OLD, "otherpassword", "t-1"), "CLIENT_TOKEN_MISMATCH").await;
    assert_eq!(reply.status.code(), tonic::Code::InvalidArgument);
    assert_eq!(reply.metadata("http_status").as_deref(), Some("400"));
    let mut bound = change(OLD, NEW, "t-1");
    bound["expected_version"] = 1.into();
    alice.err("ChangePassword", bound, "CLIENT_TOKEN_MISMATCH").await;
    // The old password is not asked for again.
    alice.ok("ChangePassword", change("forgotten", NEW, "t-1")).await;
}

#[tokio::test]
async fn a_mismatch_of_passwords_is_an_attempt() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    let alice = world.ram_user("alice", OLD).await;
    alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await;
    for guess in 0..5 {
        alice.err("ChangePassword", change(OLD, &format!("guess-{guess}"), "t-1"), "CLIENT_TOKEN_MISMATCH").await;
    }
    alice.err("ChangePassword", change(OLD, NEW, "t-1"), "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn an_answer_that_is_given_again_forgives_no_wrong_password() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 5 })).await;
    let alice = world.ram_user("alice", OLD).await;
    alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await;
    let reset = json!({ "subject": { "ram_user": "alice" }, "password": "set-by-root" });
    world.root.ok("ResetPassword", reset).await;
    // Who knows a password that is no longer valid must not get more guesses by it.
    for guess in 0..5 {
        alice
            .err("ChangePassword", change(&format!("guess-{guess}"), "unimportant", ""), "OLD_PASSWORD_INCORRECT")
            .await;
        if guess < 4 {
            assert_eq!(alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await["version"], "2");
        }
    }
    alice.err("ChangePassword", change("guess", "unimportant", ""), "TOO_MANY_ATTEMPTS").await;
}

#[tokio::test]
async fn another_rpcs_subjects_or_tenants_token_means_nothing() {
    let world = World::start().await;
    // The same token four times, each for another caller, RPC and subject.
    for (caller, rpc, request, _) in requests(&world).await {
        assert_eq!(caller.ok(rpc, request).await["version"], "2", "{rpc}");
    }
    let carol = world.ram_user("carol", OLD).await;
    assert_eq!(carol.ok("ChangePassword", change(OLD, "third-password", "t-1")).await["version"], "2");
    // One caller and RPC, another subject, of the same name in another tenant as well.
    let globex = world.tenant("globex").await;
    for (root, domain) in [(&world.root, "second.example"), (&globex, "mail.example")] {
        root.ok("CreateMailDomain", json!({ "domain_name": domain, "password": "OLDmail1234" })).await;
        let request = json!({ "domain_name": domain, "password": "NEWmail9876", "client_token": "t-1" });
        assert_eq!(root.ok("ModifyPWByDomain", request).await["version"], "2");
        assert_eq!(
            root.ok("VerifyPassword", json!({ "subject": { "mail_domain": domain }, "password": "NEWmail9876" })).await
                ["result"],
            "MATCHED_CURRENT"
        );
    }
}

#[tokio::test]
async fn a_subject_made_again_inherits_no_token() {
    let world = World::start().await;
    let request = json!({ "domain_name": "mail.example", "password": "NEWmail1234", "client_token": "t-1" });
    for _ in 0..2 {
        world.mail_domain("mail.example", "OLDmail1234").await;
        world.root.ok("ModifyPWByDomain", request.clone()).await;
        assert_eq!(world.verify(json!({ "mail_domain": "mail.example" }), "NEWmail1234").await, "MATCHED_CURRENT");
        world.root.ok("DeleteMailDomain", json!({ "domain_name": "mail.example" })).await;
    }
}

#[tokio::test]
async fn a_token_is_remembered_for_a_day() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let alice = world.ram_user("alice", OLD).await;
    alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await;

    clock.forward(Duration::from_mins(24 * 60 - 10));
    assert_eq!(alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await["version"], "2");
    clock.forward(Duration::from_mins(10));
    alice.err("ChangePassword", change(OLD, NEW, "t-1"), "OLD_PASSWORD_INCORRECT").await;
    // What is over gives its place up.
    assert_eq!(alice.ok("ChangePassword", change(NEW, OLD, "t-1")).await["version"], "3");
    assert_eq!(alice.ok("ChangePassword", change(NEW, OLD, "t-1")).await["version"], "3");
}

#[tokio::test]
async fn for_a_clock_that_jumped_back_a_token_is_over() {
    let clock = MovedClock::default();
    let world = Setup::default().by(&clock).start().await;
    let alice = world.ram_user("alice", OLD).await;
    alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await;

    clock.back(DAY);
    alice.err("ChangePassword", change(OLD, NEW, "t-1"), "OLD_PASSWORD_INCORRECT").await;
}

#[tokio::test]
async fn a_retry_returns_the_change_also_after_later_changes() {
    let world = World::start().await;
    let bob = world.iam_user("bob", "Password1").await;
    world.root.ok("UpdatePasswordPolicyV5", json!({ "minimum_password_age": 60 })).await;
    bob.ok("ChangePasswordV5", change("Password1", "Password2", "t-1")).await;
    bob.err("ChangePasswordV5", change("Password2", "Password3", "t-2"), "PASSWORD_TOO_YOUNG").await;

    let stricter = json!({ "minimum_password_length": 32, "allow_user_to_change_password": false });
    world.root.ok("UpdatePasswordPolicyV5", stricter).await;
    assert_eq!(bob.ok("ChangePasswordV5", change("Password1", "Password2", "t-1")).await["version"], "2");
}

#[tokio::test]
async fn a_version_whose_hash_is_gone_is_a_conflict() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    for (kept, last) in [(2, "third-password"), (0, "fourth-password")] {
        world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": kept })).await;
        let token = format!("t-{kept}");
        let first = json!({ "subject": { "ram_user": "alice" }, "password": format!("{OLD}-{kept}") });
        world.root.ok("ResetPassword", first).await;
        let request = change(&format!("{OLD}-{kept}"), &format!("{NEW}-{kept}"), &token);
        let made = alice.ok("ChangePassword", request.clone()).await["version"].clone();
        let current = alice.ok("ChangePassword", change(&format!("{NEW}-{kept}"), last, "")).await["version"].clone();

        let reply = alice.call("ChangePassword", request).await;

        if kept > 0 {
            assert_eq!((reply.reason().as_str(), &reply.json["version"]), ("OK", &made));
        } else {
            assert_eq!(reply.reason(), "VERSION_CONFLICT");
            assert_eq!(reply.metadata("current_version").as_deref(), current.as_str());
        }
    }
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    alice.err("ChangePassword", change(OLD, "short", "t-1"), "PASSWORD_POLICY_VIOLATION").await;
    alice.err("ChangePassword", change("guess", NEW, "t-1"), "OLD_PASSWORD_INCORRECT").await;
    assert_eq!(alice.ok("ChangePassword", change(OLD, NEW, "t-1")).await["version"], "2");
}

#[tokio::test]
async fn a_token_is_one_to_sixty_four_visible_characters() {
    let world = World::start().await;
    let alice = world.ram_user("alice", OLD).await;
    for (token, problem) in [
        ("x".repeat(65).as_str(), "client_token: TOO_LONG"),
        ("retry 1", "client_token: CHARACTER_NOT_ALLOWED"),
        ("ré", "client_token: CHARACTER_NOT_ALLOWED"),
        ("retry\n", "client_token: CHARACTER_NOT_ALLOWED"),
    ] {
        let reply = alice.err("ChangePassword", change(OLD, NEW, token), "INVALID_FIELD").await;
        assert_eq!(reply.problems(), [problem]);
    }
    alice.ok("ChangePassword", change(OLD, NEW, &"~".repeat(64))).await;
}
