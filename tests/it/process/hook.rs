//! What a running service lets out of the passwords that another system verifies.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use super::installation::{Installation, outcome, write_secretly};
use super::metrics::{get, scraped_at};
use super::secrets::{PART_OF_A_PASSWORD, PART_OF_A_TOKEN, Secrets, Seen};
use super::tenant::{token, verification};
use crate::support::hook::{Hook, HookServer, with_body};

const RIGHT: &str = "Rk7vQz2mXw9tLp4";
const WRONG: &str = "Wy6JxDk2Pf9uTc3";
const TOKEN: &str = "Uj5xNq3bYe8hVg1Kq4zVx7Hf2wZk7";

#[tokio::test]
async fn the_hook_alone_gets_the_password_and_its_token() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let installation = Installation::new();
    write_secretly(&installation.path("hook.token"), TOKEN);
    let url = format!("--hook-url=http://{}/", hook.address);
    let logs = ["--log-level=trace", "--log-calls=all", "--metrics-listen=127.0.0.1:0", "--attempts-allowance=100"];
    let (serving, acme) = installation.acme(&[&[&*url, "--hook-token-file=hook.token"], &logs[..]].concat()).await;
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, operator).await;
    fs::write(installation.path("users.csv"), "tenant,kind,name,hash\nacme,ram-user,alice,\n").unwrap();
    let command =
        |arguments: &[&str]| outcome(installation.calling(&serving.address.to_string(), &operator, arguments));
    let imported = command(&["import", "users.csv", "--verify-elsewhere"]);
    assert!(imported.stdout.starts_with("imported 1,"), "{imported:?}");

    let exported = || command(&["export", "--tenant", "acme"]).printed();
    assert_eq!(exported().matches("\"verified_elsewhere\":true").count(), 1, "{}", exported());

    let seen = Seen::default();
    let verify = async |password| {
        let reply = seen.call(&acme.relay, "VerifyPassword", verification("alice", password)).await;
        reply.json["result"].as_str().map_or_else(|| reply.reason().clone(), str::to_owned)
    };
    assert_eq!(verify(WRONG).await, "NOT_MATCHED");
    let echoed = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 15\r\nX-Token: {TOKEN}\r\n\r\n{RIGHT}");
    for answer in [echoed("503 Unavailable"), echoed("200 OK"), with_body(RIGHT), format!("{RIGHT}\r\n\r\n")] {
        hook.does(Hook::Sends(answer));
        assert_eq!(verify(RIGHT).await, "HOOK_UNAVAILABLE");
    }
    hook.does(Hook::Knows(RIGHT));
    assert_eq!(verify(RIGHT).await, "MATCHED_CURRENT");
    let asked = hook.asked();
    assert_eq!(asked.len(), 6);
    assert!(
        asked.iter().all(|(head, _)| head.contains(&format!("authorization: bearer {}\r\n", TOKEN.to_lowercase())))
    );

    assert!(!exported().contains("verified_elsewhere"), "{}", exported());
    let metrics = get(scraped_at(&serving), "/metrics");
    for counted in ["outcome=\"matched\"} 1\n", "outcome=\"not_matched\"} 1\n", "outcome=\"unavailable\"} 4\n"] {
        assert!(metrics.contains(&format!("credentiald_hook_answers_total{{{counted}")), "{counted} in {metrics}");
    }
    let events = command(&["audit", "list", "--json"]).printed();
    let taken_over = events.lines().filter(|event| event.contains("\"taken-over\"")).count();
    assert_eq!(taken_over, 1, "{events}");
    let log = serving.stop().await;
    assert!(log.contains("TRACE") && log.contains("the hook that verifies passwords gives no answer"), "{log}");
    for (place, text) in [("metrics", metrics), ("events", events), ("log", log)] {
        seen.add(place, text);
    }
    seen.files(&installation.data());
    let mut secrets = Secrets::new();
    for password in [RIGHT, WRONG] {
        secrets.add(password, PART_OF_A_PASSWORD);
    }
    secrets.add(TOKEN, PART_OF_A_TOKEN);
    for (place, bytes) in seen.all() {
        assert_eq!(secrets.found_in(&bytes), BTreeSet::new(), "in {place}");
    }
}
