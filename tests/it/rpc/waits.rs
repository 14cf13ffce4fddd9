//! Waits after wrong passwords pass, whatever the clock does, and calls that are slowed wait side by side.

use std::time::Duration;

use credentiald::domain::time::days;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::clock::MovedClock;
use crate::support::{Client, Setup, World};

const RIGHT: &str = "mypassword";
const SECOND: Duration = Duration::from_secs(1);

fn verify(name: &str, password: &str) -> Value {
    json!({ "subject": { "ram_user": name }, "password": password })
}

async fn world(clock: &MovedClock, settings: &[(&str, &str)]) -> World {
    let setup = settings.iter().fold(Setup::default(), |setup, (key, value)| setup.with(key, value));
    let world = setup.by(clock).start().await;
    world.ram_user("alice", RIGHT).await;
    world
}

/// A refusal, even of the right password. Returns how long to wait.
async fn refused(caller: &Client, name: &str) -> Duration {
    let reply = caller.err("VerifyPassword", verify(name, RIGHT), "TOO_MANY_ATTEMPTS").await;
    reply.details().retry_info().unwrap().retry_delay.unwrap()
}

async fn result(caller: &Client, name: &str, password: &str) -> Value {
    caller.ok("VerifyPassword", verify(name, password)).await["result"].clone()
}

#[tokio::test]
async fn after_the_clock_was_set_back_a_wait_begins_again_once_and_passes() {
    let clock = MovedClock::stopped();
    let world = world(&clock, &[("attempts.allowance", "1")]).await;
    let relay = world.service().await;
    for name in ["alice", "nobody"] {
        clock.forward(days(1));
        assert_eq!(result(&relay, name, "guess").await, "NOT_MATCHED");
        clock.back(days(1));
        let wait = refused(&relay, name).await;
        assert_eq!(wait, SECOND, "its own length");
        let almost = wait.checked_sub(Duration::from_millis(1)).unwrap();
        clock.forward(almost);
        assert_eq!(refused(&relay, name).await, Duration::from_millis(1));
        clock.forward(Duration::from_millis(1));
        assert_eq!(result(&relay, name, "guess").await, "NOT_MATCHED", "one more attempt");
        assert_eq!(refused(&relay, name).await, 2 * SECOND, "and the next wait");
    }
    clock.forward(2 * SECOND);
    assert_eq!(result(&relay, "alice", RIGHT).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn setting_the_clock_back_again_and_again_gives_no_attempt() {
    let clock = MovedClock::stopped();
    let world = world(&clock, &[("attempts.allowance", "1")]).await;
    let relay = world.service().await;
    assert_eq!(result(&relay, "alice", "guess").await, "NOT_MATCHED");
    let before = world.engine().begun;
    for back in [Duration::from_micros(1), SECOND, 10 * SECOND, 11 * SECOND, 3600 * SECOND, days(1), days(400)] {
        clock.back(back);
        assert_eq!(refused(&relay, "alice").await, SECOND, "{back:?}");
    }
    assert_eq!(world.engine().begun, before);
    clock.forward(SECOND);
    assert_eq!(result(&relay, "alice", RIGHT).await, "MATCHED_CURRENT");
}

/// The wrong passwords on the name and those on the subject are two rows, of which each may be ahead of the clock.
#[tokio::test]
async fn a_wait_on_a_name_passes_after_the_clock_was_set_back_and_the_subject_was_made() {
    let clock = MovedClock::stopped();
    let world = world(&clock, &[("attempts.allowance", "2")]).await;
    let relay = world.service().await;
    clock.forward(days(1));
    assert_eq!(result(&relay, "bob", "guess").await, "NOT_MATCHED");
    clock.back(days(1));
    world.ram_user("bob", RIGHT).await;
    assert_eq!(result(&relay, "bob", "guess").await, "NOT_MATCHED");
    for wait in [1, 2, 4] {
        assert_eq!(refused(&relay, "bob").await, wait * SECOND);
        clock.forward(wait * SECOND);
        assert_eq!(result(&relay, "bob", "guess").await, "NOT_MATCHED");
    }
    clock.forward(refused(&relay, "bob").await);
    assert_eq!(result(&relay, "bob", RIGHT).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn the_slowing_of_a_subject_passes_after_the_clock_was_set_back() {
    let clock = MovedClock::stopped();
    let world = world(&clock, &[("attempts.subject_allowance", "1")]).await;
    let (guesser, other) = (world.service().await, world.caller("SERVICE", "console").await);
    let hurried = other.with_header("grpc-timeout", "900m");
    clock.forward(days(1));
    assert_eq!(result(&guesser, "alice", "guess").await, "NOT_MATCHED");
    clock.back(days(1));
    let wait = refused(&hurried, "alice").await;
    assert_eq!(wait, SECOND);
    clock.forward(wait);
    assert_eq!(result(&hurried, "alice", RIGHT).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn calls_of_one_caller_are_slowed_side_by_side() {
    let world = world(&MovedClock::stopped(), &[("attempts.subject_allowance", "1")]).await;
    let (guesser, console) = (world.service().await, world.caller("SERVICE", "console").await);
    assert_eq!(result(&guesser, "alice", "guess").await, "NOT_MATCHED");
    // Each is slowed by a second. One after the other, they would take twice their deadline.
    let (patient, hurried) = (console.with_header("grpc-timeout", "5S"), console.with_header("grpc-timeout", "900m"));
    let (results, refusal) =
        tokio::join!(join_all((0..10).map(|_| result(&patient, "alice", RIGHT))), refused(&hurried, "alice"));
    assert_eq!(results, ["MATCHED_CURRENT"; 10]);
    assert_eq!(refusal, SECOND, "at once, and not when the others have been slowed");
}

#[tokio::test]
async fn guesses_that_are_slowed_side_by_side_get_the_allowance_and_no_more() {
    let world = world(&MovedClock::stopped(), &[("attempts.subject_allowance", "1")]).await;
    let (first, guesser) = (world.service().await, world.caller("SERVICE", "console").await);
    assert_eq!(result(&first, "alice", "guess").await, "NOT_MATCHED");
    let before = world.engine().begun;
    let replies = join_all((0..20).map(|_| guesser.call("VerifyPassword", verify("alice", "guess")))).await;
    let wrong = replies.iter().filter(|reply| reply.json["result"] == "NOT_MATCHED").count();
    let refused = replies.iter().filter(|reply| reply.reason() == "TOO_MANY_ATTEMPTS").count();
    assert_eq!((wrong, refused), (5, 15), "{replies:?}");
    assert_eq!(world.engine().begun - before, 5);
}
