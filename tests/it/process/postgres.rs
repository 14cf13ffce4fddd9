//! The binary on PostgreSQL, from an empty database to two replicas that outlive the server.

use std::fs;

use super::installation::Installation;
use super::tenant::{Acme, change, tells_when_to_retry, verification};
use crate::support::Client;
use crate::support::postgres::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_postgresql_serve_one_store() {
    let cluster = Cluster::with_roles().await;
    let installation = Installation::new();
    for (role, file) in [("credentiald_migrates", "migrates.url"), ("credentiald_runs", "runs.url")] {
        fs::write(installation.path(file), format!("{}\n", cluster.url_as(role, "credentiald"))).unwrap();
    }
    let as_owner = ["--store-url-file", "migrates.url"];
    let arguments = [
        "--store-url-file",
        "runs.url",
        "--postgres-statement-timeout-seconds",
        "1",
        "--postgres-patience-seconds",
        "2",
        "--log-level",
        "debug",
    ];
    let run = |command: &[&str], arguments: &[&str]| installation.run(&[command, arguments].concat());

    for command in ["serve", "bootstrap"] {
        let refused = run(&[command], &as_owner);
        assert_eq!(refused.status, Some(1), "{command}");
        assert!(refused.stderr.contains("run `credentiald migrate`"), "{}", refused.stderr);
    }
    assert_eq!(run(&["migrate"], &as_owner).printed(), "the store went from schema 0 to 8\n");
    assert_eq!(run(&["migrate"], &as_owner).printed(), "the store has schema 8 already\n");
    cluster.grant("credentiald").await;

    let token = run(&["bootstrap"], &arguments[..2]).printed().trim().to_owned();
    let mut one = installation.serve(&arguments).await;
    let other = installation.serve(&arguments).await;
    let acme = Acme::create(one.address, &token).await;
    let alice = Client::new(one.address).with_token(&acme.ram_user("alice", "mypassword-1").await);
    alice.ok("ChangePassword", change("mypassword-1", "mypassword-2")).await;
    let there = acme.at(other.address);
    assert_eq!(there.verify("alice", "mypassword-2").await, "MATCHED_CURRENT");
    assert_eq!(there.verify("alice", "mypassword-1").await, "NOT_MATCHED");

    cluster.crash();
    for reply in [
        alice.call("ChangePassword", change("mypassword-2", "mypassword-3")).await,
        there.relay.call("VerifyPassword", verification("alice", "mypassword-2")).await,
    ] {
        assert_eq!(reply.reason(), "STORE_UNAVAILABLE");
        assert!(tells_when_to_retry(&reply));
    }
    cluster.run_again();
    alice.at(other.address).ok("ChangePassword", change("mypassword-2", "mypassword-3")).await;
    assert_eq!(acme.verify("alice", "mypassword-3").await, "MATCHED_CURRENT");

    one.kill();
    assert_eq!(there.version("alice").await, 3);
    assert_eq!(run(&["store", "check"], &arguments[..2]).printed(), "the store is undamaged\n");
    let logs = one.log() + &other.stop().await;
    assert!(!logs.contains(&cluster.password), "the password is logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_the_url_is_never_shown() {
    let installation = Installation::new();
    let run = |arguments: &[&str], url: &str| {
        let mut command = installation.command(arguments);
        command.env("CREDENTIALD_STORE_URL", url).env("CREDENTIALD_LOG_LEVEL", "trace");
        super::installation::outcome(command)
    };
    let good = "postgres://user:hunter2@127.0.0.1:1,[::1]:1/d";
    let shown = run(&["config", "show"], good);
    assert!(shown.stdout.contains("url = \"postgres://(hidden)@127.0.0.1:1,[::1]:1/d\""), "{}", shown.stdout);
    let mut outcomes = vec![(Some(0), shown)];
    for command in [&["serve"][..], &["bootstrap"], &["migrate"], &["store", "check"]] {
        outcomes.push((Some(1), run(command, good)));
    }
    for wrong in ["postgres://user:hunter2@h/d?ssl=on", "postgres://user:hunter2/@h/d", "postgres://user:hunter2@h"] {
        for command in [&["serve"][..], &["bootstrap"], &["migrate"], &["config", "check"], &["config", "show"]] {
            outcomes.push((Some(78), run(command, wrong)));
        }
    }
    for (status, outcome) in outcomes {
        assert_eq!(outcome.status, status, "{}", outcome.stderr);
        assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{outcome:?}");
    }
}

#[test]
fn a_file_that_holds_no_url_is_a_mistake_of_that_setting() {
    let installation = Installation::new();
    fs::write(installation.path("store.url"), "user:hunter2@h").unwrap();
    for file in ["store.url", "absent.url"] {
        let refused = installation.run(&["serve", "--store-url-file", file]);
        assert_eq!(refused.status, Some(78));
        assert!(refused.stderr.contains("--store-url-file: "), "{}", refused.stderr);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
    fs::write(installation.path("store.url"), "sqlite:elsewhere.db\n").unwrap();
    assert_eq!(installation.run(&["bootstrap", "--store-url-file", "store.url"]).status, Some(0));
    assert!(installation.path("elsewhere.db").exists());
}
