//! What the time of an answer tells: nothing. Medians of interleaved calls are compared with each other, never with a
//! clock, and the bound is far from what noise does. That no hash is left out is `rpc/order_of_checks.rs`, which counts them.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;

use super::installation::Installation;
use super::tenant::{change, verification};
use crate::support::Client;

const ROUNDS: usize = 21;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn assert_alike(what: &str, one: Duration, other: Duration) {
    let ratio = one.as_secs_f64() / other.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "{what}: {one:?} and {other:?}");
}

#[tokio::test]
async fn a_wrong_password_an_absent_one_and_an_unknown_subject_take_the_same_time() {
    let installation = Installation::new();
    let (serving, acme) =
        installation.acme(&["--attempts-allowance", "100", "--attempts-subject-allowance", "1000"]).await;
    acme.ram_user("known", "mypassword").await;
    acme.root.ok("CreateRamUser", json!({ "user_name": "without" })).await;
    let names = ["known", "without", "unknown"];
    let mut times = names.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for (name, times) in names.iter().zip(&mut times) {
            let start = Instant::now();
            let reply = acme.relay.ok("VerifyPassword", verification(name, &format!("guess-{round}"))).await;
            times.push(start.elapsed());
            assert_eq!(reply["result"], "NOT_MATCHED");
        }
    }
    let [known, without, unknown] = times.map(median);
    assert_alike("known and without", known, without);
    assert_alike("known and unknown", known, unknown);
    serving.stop().await;
}

#[tokio::test]
async fn a_right_and_a_wrong_old_password_take_the_same_time() {
    let installation = Installation::new();
    let (serving, acme) =
        installation.acme(&["--attempts-allowance", "100", "--attempts-subject-allowance", "1000"]).await;
    let user = Client::new(serving.address).with_token(&acme.ram_user("alice", "mypassword-0").await);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let new = format!("mypassword-{}", round + 1);
        for (old, expected) in
            [("guessed-wrong".to_owned(), Code::InvalidArgument), (format!("mypassword-{round}"), Code::Ok)]
        {
            let start = Instant::now();
            let reply = user.call("ChangePassword", change(&old, &new)).await;
            times[usize::from(expected == Code::Ok)].push(start.elapsed());
            assert_eq!(reply.status.code(), expected, "{:?}", reply.status);
        }
    }
    let [wrong, right] = times.map(median);
    assert_alike("wrong and right", wrong, right);
    serving.stop().await;
}
