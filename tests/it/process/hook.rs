//! What a running service lets out of the passwords that another system verifies.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use super::installation::{Installation, outcome, write_secretly};
use super::metrics::{get, scraped_at};
use super::secrets::{PART_OF_A_PASSWORD, PART_OF_A_TOKEN, Secrets, Seen};
use super::serving::Serving;
use super::tenant::{Acme, change, token, verification};
use crate::support::Client;
use crate::support::hook::{Hook, HookServer, with_body};

const RIGHT: &str = "Rk7vQz2mXw9tLp4";
const WRONG: &str = "Wy6JxDk2Pf9uTc3";
const TOKEN: &str = "Uj5xNq3bYe8hVg1Kq4zVx7Hf2wZk7";

/// Imports RAM users without hashes, so that the hook verifies their passwords. Returns the token of the operator.
async fn import(installation: &Installation, serving: &Serving, acme: &Acme, names: &[&str]) -> String {
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, operator).await;
    let rows = names.iter().map(|name| format!("acme,ram-user,{name},\n")).collect::<Vec<_>>().concat();
    fs::write(installation.path("users.csv"), format!("tenant,kind,name,hash\n{rows}")).unwrap();
    let arguments = ["import", "users.csv", "--verify-elsewhere"];
    let imported = installation.call(&serving.address.to_string(), &operator, &arguments, "");
    assert!(imported.stdout.starts_with(&format!("imported {},", names.len())), "{imported:?}");
    operator
}

#[tokio::test]
async fn the_hook_alone_gets_the_password_and_its_token() {
    let hook = HookServer::start(Hook::Knows(RIGHT)).await;
    let installation = Installation::new();
    write_secretly(&installation.path("hook.token"), TOKEN);
    let url = format!("--hook-url=http://{}/", hook.address);
    let logs = ["--log-level=trace", "--log-calls=all", "--metrics-listen=127.0.0.1:0", "--attempts-allowance=100"];
    let (serving, acme) = installation.acme(&[&[&*url, "--hook-token-file=hook.token"], &logs[..]].concat()).await;
    let operator = import(&installation, &serving, &acme, &["alice"]).await;
    let command =
        |arguments: &[&str]| outcome(installation.calling(&serving.address.to_string(), &operator, arguments));

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

#[tokio::test]
async fn a_password_that_another_system_verifies_is_no_damage_and_is_backed_up() {
    for ring in [&[][..], &["--pepper-keys-file=ring"]] {
        let hook = HookServer::start(Hook::Knows(RIGHT)).await;
        let installation = Installation::new();
        let key = installation.run(&["pepper", "new-key"]).printed();
        write_secretly(&installation.path("ring"), key);
        write_secretly(&installation.path("hook.token"), TOKEN);
        let url = format!("--hook-url=http://{}/", hook.address);
        let serve = [ring, &[&*url, "--hook-token-file=hook.token"]].concat();
        let (serving, acme) = installation.acme(&serve).await;
        acme.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
        import(&installation, &serving, &acme, &["alice", "bob"]).await;
        let run = |arguments: &[&str]| installation.run(&[arguments, ring].concat()).printed();
        assert_eq!(run(&["store", "check"]), "the store is undamaged\n");
        run(&["backup", "before.db"]);

        // The change keeps the mark as the earlier password.
        let alice = json!({ "caller_kind": "CALLER_KIND_RAM_USER", "caller_name": "alice" });
        let alice = Client::new(serving.address).with_token(&token(&acme.root, alice).await);
        alice.ok("ChangePassword", change(RIGHT, "Qm4zTk8vXw2p")).await;
        assert_eq!(run(&["store", "check"]), "the store is undamaged\n");
        run(&["backup", "after.db"]);
        serving.stop().await;

        for (backup, version) in [("before.db", 1), ("after.db", 2)] {
            run(&["restore", "--replace", backup]);
            let serving = installation.serve(&serve).await;
            let acme = acme.at(serving.address);
            assert_eq!(acme.version("alice").await, version);
            assert_eq!(acme.verify("bob", RIGHT).await, "MATCHED_CURRENT");
            serving.stop().await;
        }
    }
}
