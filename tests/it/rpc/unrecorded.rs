//! Attempts that the store does not take: no caller gets more of them, or learns of a match meanwhile.

use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::store::connection_to;
use crate::support::clock::MovedClock;
use crate::support::serving::eventually;
use crate::support::tenant::change;
use crate::support::{Client, Setup, World, database};

const RIGHT: &str = "mypassword";

/// The store of a world, which a test makes refuse statements.
struct Refusing(Connection);

impl Refusing {
    /// Refuses whatever writes an audit event: every change and every failed attempt.
    fn writes(world: &World) -> Self {
        Self::statements(world, "INSERT ON audit_event")
    }

    /// Refuses to set a password.
    fn changes(world: &World) -> Self {
        Self::statements(world, "UPDATE ON credential")
    }

    fn statements(world: &World, which: &str) -> Self {
        let connection = connection_to(&database(&world.directory));
        let trigger = format!("CREATE TRIGGER refusing BEFORE {which} BEGIN SELECT RAISE(ABORT, 'refused'); END");
        connection.execute_batch(&trigger).unwrap();
        Self(connection)
    }

    fn end(&self) {
        self.0.execute_batch("DROP TRIGGER refusing").unwrap();
    }

    /// How many audit events have that outcome.
    fn outcomes(&self, outcome: &str) -> u32 {
        let count = "SELECT count(*) FROM audit_event WHERE outcome = ?1";
        self.0.query_row(count, [outcome], |row| row.get(0)).unwrap()
    }

    /// How many failed attempts are stored.
    fn failures(&self) -> u32 {
        self.0.query_row("SELECT coalesce(sum(count), 0) FROM pair_failures", [], |row| row.get(0)).unwrap()
    }

    fn locked_events(&self) -> u32 {
        let count = "SELECT count(*) FROM change_event WHERE kind = 'locked'";
        self.0.query_row(count, [], |row| row.get(0)).unwrap()
    }
}

fn verify(password: &str) -> Value {
    json!({ "subject": { "ram_user": "alice" }, "password": password })
}

async fn refused(caller: &Client, method: &str, request: Value) {
    caller.err(method, request, "STORE_UNAVAILABLE").await;
}

#[tokio::test]
async fn while_wrong_passwords_are_not_recorded_no_match_is_reported() {
    let world = World::start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    let (relay, other) = (world.service().await, world.caller("SERVICE", "console").await);
    let refusing = Refusing::writes(&world);

    for number in 0..20 {
        refused(&relay, "VerifyPassword", verify(&format!("guess-{number}"))).await;
        refused(&relay, "VerifyPassword", verify(RIGHT)).await;
        refused(&alice, "ChangePassword", change(&format!("guess-{number}"), "newpassword")).await;
        refused(&alice, "ChangePassword", change(RIGHT, "newpassword")).await;
    }
    // The others are served.
    assert_eq!(other.ok("VerifyPassword", verify(RIGHT)).await["result"], "MATCHED_CURRENT");

    refusing.end();
    assert_eq!(relay.ok("VerifyPassword", verify(RIGHT)).await["result"], "MATCHED_CURRENT");
    alice.ok("ChangePassword", change(RIGHT, "newpassword")).await;
    assert_eq!(refusing.outcomes("wrong-password"), 2, "one of each caller");
}

#[tokio::test]
async fn parallel_guesses_that_are_not_recorded_get_no_more_than_the_allowance() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    let refusing = Refusing::writes(&world);

    let replies =
        join_all((0..40).map(|number| relay.call("VerifyPassword", verify(&format!("guess-{number}"))))).await;

    assert!(replies.iter().all(|reply| reply.reason() == "STORE_UNAVAILABLE"), "{replies:?}");
    refusing.end();
    // They are recorded though nobody calls.
    let recorded =
        eventually("a record", || Some(refusing.outcomes("wrong-password")).filter(|count| *count > 0)).await;
    assert!(recorded <= 5, "{recorded}");
}

#[tokio::test]
async fn a_name_that_no_subject_has_is_treated_alike() {
    let world = World::start().await;
    let relay = world.service().await;
    let refusing = Refusing::writes(&world);
    for _ in 0..3 {
        refused(&relay, "VerifyPassword", verify(RIGHT)).await;
    }
    refusing.end();
    assert_eq!(relay.ok("VerifyPassword", verify(RIGHT)).await["result"], "NOT_MATCHED");
    assert_eq!(refusing.outcomes("wrong-password"), 2);
}

#[tokio::test]
async fn retries_and_changes_without_an_old_password_give_no_more_guesses_either() {
    let world = World::start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    world.mail_domain("mail.example", "OLDmail1234").await;
    let with_token = |new: &str| json!({ "old_password": RIGHT, "new_password": new, "client_token": "t-1" });
    alice.ok("ChangePassword", with_token("newpassword")).await;
    let domain = |password: &str| json!({ "domain_name": "mail.example", "password": password });
    let refusing = Refusing::writes(&world);

    refused(&alice, "ChangePassword", with_token("another-one")).await;
    refused(&alice, "ChangePassword", with_token("newpassword")).await;
    refused(&world.root, "ModifyPWByDomain", domain("NEWmail1234")).await;
    refused(&world.root, "ModifyPWByDomain", domain("OLDmail1234")).await;

    refusing.end();
    alice.ok("ChangePassword", with_token("newpassword")).await;
    world.root.err("ModifyPWByDomain", domain("OLDmail1234"), "PASSWORD_REUSED").await;
    world.root.ok("ModifyPWByDomain", domain("NEWmail1234")).await;
    assert_eq!((refusing.outcomes("wrong-password"), refusing.outcomes("undecided")), (2, 1));
}

#[tokio::test]
async fn a_locked_store_gives_no_more_guesses() {
    let world = World::start().await;
    world.ram_user("alice", RIGHT).await;
    let relay = world.service().await;
    let lock = connection_to(&database(&world.directory));
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    refused(&relay, "VerifyPassword", verify("guess")).await;
    refused(&relay, "VerifyPassword", verify(RIGHT)).await;
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(relay.ok("VerifyPassword", verify(RIGHT)).await["result"], "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_change_that_the_store_does_not_take_is_no_wrong_password() {
    let world = World::start().await;
    let alice = world.ram_user("alice", RIGHT).await;
    let reset = |wanted: Value| {
        let mut request = json!({ "subject": { "ram_user": "alice" } });
        request.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
        request
    };
    let refusing = Refusing::changes(&world);
    for number in 0..8 {
        refused(&alice, "ChangePassword", change(RIGHT, &format!("newpassword-{number}"))).await;
        refused(&world.root, "ResetPassword", reset(json!({ "password": format!("newpassword-{number}") }))).await;
        refused(&world.root, "ResetPassword", reset(json!({ "generate_password": true }))).await;
    }
    // A generated password is no guess, whatever it is compared with.
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    for _ in 0..8 {
        refused(&world.root, "ResetPassword", reset(json!({ "generate_password": true }))).await;
    }
    assert_eq!((refusing.outcomes("wrong-password"), refusing.outcomes("undecided")), (0, 0));
    assert_eq!((refusing.failures(), refusing.locked_events()), (0, 0));

    refusing.end();
    world.root.ok("ResetPassword", reset(json!({ "password": "newpassword" }))).await;
}

#[tokio::test]
async fn an_attempt_without_a_verdict_counts_and_is_no_wrong_password() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    world.mail_domain("mail.example", "OLDmail1234").await;
    let change = |password: &str| json!({ "domain_name": "mail.example", "password": password });
    let refusing = Refusing::changes(&world);
    for number in 0..5 {
        refused(&world.root, "ModifyPWByDomain", change(&format!("GUESSmail{number}9"))).await;
    }
    world.root.err("ModifyPWByDomain", change("NEWmail1234"), "TOO_MANY_ATTEMPTS").await;
    assert_eq!((refusing.outcomes("wrong-password"), refusing.outcomes("undecided")), (0, 5));
    assert_eq!((refusing.failures(), refusing.locked_events()), (5, 0));
}
