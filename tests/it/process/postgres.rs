//! The binary on PostgreSQL, from an empty database to two replicas that outlive the server.

use std::fs;

use futures_util::future::join_all;

use super::installation::{Installation, write_secretly};
use super::metrics::{get, scraped_at, value};
use super::serving::eventually;
use super::tenant::{Acme, change, tells_when_to_retry, verification};
use crate::support::Client;
use crate::support::postgres::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_postgresql_serve_one_store() {
    let cluster = Cluster::with_roles().await;
    let installation = Installation::new();
    for (role, file) in [("credentiald_migrates", "migrates.url"), ("credentiald_runs", "runs.url")] {
        write_secretly(&installation.path(file), format!("{}\n", cluster.url_as(role, "credentiald")));
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
    assert_eq!(run(&["migrate"], &as_owner).printed(), "migrated the store from schema 0 to 11\n");
    assert_eq!(run(&["migrate"], &as_owner).printed(), "the store already has schema 11\n");
    cluster.grant("credentiald").await;

    let token = run(&["bootstrap"], &arguments[..2]).printed().trim().to_owned();
    let mut one = installation.serve(&arguments).await;
    let other = installation.serve(&[&arguments[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).await;
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
    eventually("health to follow the store", || (!other.is_healthy()).then_some(())).await;
    other.logs("the store does not answer: health is NOT_SERVING").await;
    cluster.run_again();
    eventually("health to follow the store", || other.is_healthy().then_some(())).await;
    other.logs("the store answers again: health is SERVING").await;
    alice.at(other.address).ok("ChangePassword", change("mypassword-2", "mypassword-3")).await;
    assert_eq!(acme.verify("alice", "mypassword-3").await, "MATCHED_CURRENT");
    let metrics = get(scraped_at(&other), "/metrics");
    for grown in [r#"store_failures_total{reason="unavailable"}"#, r#"store_retries_total{work="read",cause="lost"}"#] {
        assert!(value(&metrics, &format!("credentiald_{grown}")) >= 1.0, "{grown}\n{metrics}");
    }

    one.kill();
    assert_eq!(there.version("alice").await, 3);
    assert_eq!(run(&["store", "check"], &arguments[..2]).printed(), "the store is undamaged\n");
    let logs = one.log() + &other.stop().await;
    assert!(!logs.contains(&cluster.password), "the password is logged");
}

/// Arguments for serving that database, which is given up soon.
pub(super) fn on(installation: &Installation, cluster: &Cluster) -> [String; 6] {
    write_secretly(&installation.path("runs.url"), cluster.url_as("credentiald_runs", "credentiald"));
    let arguments = [
        "--store-url-file",
        "runs.url",
        "--postgres-statement-timeout-seconds",
        "1",
        "--postgres-patience-seconds",
        "2",
    ];
    arguments.map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_let_no_more_than_twice_the_allowance_through() {
    let cluster = Cluster::with_store().await;
    let installation = Installation::new();
    let arguments = on(&installation, &cluster);
    let token = installation.run(&["bootstrap", &arguments[0], &arguments[1]]).printed().trim().to_owned();
    // The usual time for statements, for sixty guesses at once; and waits that the test does not outlast.
    let mut arguments: Vec<&str> = arguments[..2].iter().map(String::as_str).collect();
    arguments.extend(["--attempts-backoff-seconds", "600", "--attempts-longest-backoff-seconds", "600"]);
    let (one, other) = (installation.serve(&arguments).await, installation.serve(&arguments).await);
    let here = Acme::create(one.address, &token).await;
    let there = here.at(other.address);
    here.ram_user("alice", "mypassword-1").await;

    let guesses = (0..60).map(|number| {
        let relay = if number % 2 == 0 { here.relay.clone() } else { there.relay.clone() };
        async move { relay.call("VerifyPassword", verification("alice", &format!("guess-{number}"))).await }
    });
    let replies = join_all(guesses).await;

    let tried = replies.iter().filter(|reply| reply.json["result"] == "NOT_MATCHED").count();
    let refused = replies.iter().filter(|reply| reply.reason() == "TOO_MANY_ATTEMPTS").count();
    assert!((5..=10).contains(&tried) && tried + refused == 60, "{tried} {refused}");
    for replica in [&here, &there] {
        replica.relay.err("VerifyPassword", verification("alice", "mypassword-1"), "TOO_MANY_ATTEMPTS").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_and_a_lost_database_give_no_more_guesses() {
    let cluster = Cluster::with_store().await;
    let installation = Installation::new();
    let arguments = on(&installation, &cluster);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let token = installation.run(&[&["bootstrap"], &arguments[..2]].concat()).printed().trim().to_owned();
    let (one, other) = (installation.serve(&arguments).await, installation.serve(&arguments).await);
    let here = Acme::create(one.address, &token).await;
    let there = here.at(other.address);
    here.ram_user("alice", "mypassword-1").await;
    let guess_in_vain = async |count| {
        for guess in 0..count {
            for relay in [&here.relay, &there.relay] {
                let guess = verification("alice", &format!("guess-{guess}"));
                relay.err("VerifyPassword", guess, "STORE_UNAVAILABLE").await;
                relay.err("VerifyPassword", verification("alice", "mypassword-1"), "STORE_UNAVAILABLE").await;
            }
        }
    };

    let read_only = |setting: &str| {
        [
            format!("ALTER DATABASE credentiald SET default_transaction_read_only = {setting}"),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'credentiald_runs'".to_owned(),
        ]
    };
    cluster.run("postgres", &read_only("on")).await;
    guess_in_vain(3).await;
    cluster.run("postgres", &read_only("off")).await;
    for replica in [&here, &there] {
        assert_eq!(replica.verify("alice", "mypassword-1").await, "MATCHED_CURRENT");
    }

    cluster.crash();
    guess_in_vain(1).await;
    cluster.run_again();
    for replica in [&here, &there] {
        assert_eq!(replica.verify("alice", "mypassword-1").await, "MATCHED_CURRENT");
    }
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
