//! Which PostgreSQL server is used, and which is believed.

use std::time::Duration;

use credentiald::ports::StoreError;
use credentiald::ports::store::{CommitOutcome, Credentials};
use credentiald::store::postgres::{OpenError, Settings};

use super::postgres::{SETTINGS, open};
use super::values::*;
use crate::support::postgres::{Cluster, shared};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_takes_writes_is_found_and_followed() {
    const CHANGES: u64 = 300;
    let primary = Cluster::with_store().await;
    let database = primary.new_store().await;
    let standby = primary.standby();
    // What is confirmed is on both.
    primary.run("postgres", &["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"]).await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port, primary.port);
    let url = primary.url(&database).replace(&format!("127.0.0.1:{}", primary.port), &hosts);
    let brief = Settings { connections: 4, patience: Duration::from_secs(1), ..SETTINGS };
    let store = open(&url, brief).await.unwrap();
    let alice = alice(&store).await;

    let (writer, confirmed) = (store.clone(), tokio::sync::watch::channel(0).0);
    let mut seen = confirmed.subscribe();
    let writer = tokio::spawn(async move {
        let mut expected = 1;
        while expected <= CHANGES {
            match writer.commit(&change(alice, Some(expected))).await {
                Ok(CommitOutcome::Committed(_)) => expected += 1,
                // The one before, which was said to be unknown, was made.
                Ok(CommitOutcome::VersionMoved(Some(found))) if found == version(expected + 1) => expected += 1,
                Err(StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_)) => {}
                other => panic!("{other:?}"),
            }
            confirmed.send_replace(expected);
        }
    });
    seen.wait_for(|made| *made > 50).await.unwrap();
    primary.crash();
    standby.promote();
    writer.await.unwrap();

    let credential = store.credential(alice).await.unwrap().unwrap();
    assert_eq!((credential.version, credential.hash), (version(CHANGES + 1), hash(CHANGES + 1)));
    assert_eq!(credential.history, [CHANGES, CHANGES - 1, CHANGES - 2].map(earlier));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_no_standby_has_is_not_said_to_be_made() {
    let primary = Cluster::with_store().await;
    let database = primary.new_store().await;
    let standby = primary.standby();
    let store = open(&primary.url(&database), SETTINGS).await.unwrap();
    let alice = alice(&store).await;
    standby.crash();
    primary.run("postgres", &["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"]).await;

    // Until the server has taken that up, commits wait for no standby.
    let writer = store.clone();
    let writer = tokio::spawn(async move {
        let mut made = 1;
        loop {
            match writer.commit(&change(alice, Some(made))).await {
                Ok(_) => made += 1,
                Err(error) => break (made, error),
            }
            assert!(made < 10_000, "no commit waits for a standby");
        }
    });
    // What waits for one is there then for all to see, and nowhere else.
    let mut past = primary.connection(&database).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while !writer.is_finished() {
        sqlx::query(kill).execute(&mut past).await.unwrap();
    }
    let (made, error) = writer.await.unwrap();
    assert!(matches!(error, StoreError::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(store.credential(alice).await.unwrap().unwrap().version, version(made + 1));

    standby.run_again();
    make_change(&store, alice, made + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_takes_no_writes_is_refused() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let read_only = format!("ALTER DATABASE {database} SET default_transaction_read_only = on");
    cluster.run("postgres", &[read_only]).await;
    let error = open(&cluster.url(&database), SETTINGS).await.unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_made_read_only_is_unavailable_and_recovers() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let brief = Settings { patience: Duration::from_secs(1), ..SETTINGS };
    let store = open(&cluster.url(&database), brief).await.unwrap();
    let alice = alice(&store).await;
    let set = |value: &str| {
        [
            format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"),
        ]
    };
    cluster.run("postgres", &set("on")).await;
    let read = store.credential(alice).await.unwrap_err();
    assert!(matches!(read, StoreError::Unavailable(_)), "{read:?}");
    cluster.run("postgres", &set("off")).await;
    make_change(&store, alice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_believed_as_far_as_the_url_says() {
    let cluster = Cluster::with_store().await;
    let authority = cluster.certify("db.example.com");
    let root = format!("&sslrootcert={}", authority.display());
    for (mode, root, is_believed) in [
        ("disable", "", true),
        ("require", "", true),
        ("verify-ca", root.as_str(), true),
        ("verify-full", "", false),
        // The certificate is for another name than the address.
        ("verify-full", root.as_str(), false),
    ] {
        let url = format!("{}?sslmode={mode}{root}", cluster.url("credentiald"));
        let opened = open(&url, SETTINGS).await;
        assert_eq!(opened.is_ok(), is_believed, "{mode} {root}: {opened:?}");
    }
    let authority = cluster.certify("localhost");
    let url = cluster.url("credentiald").replace("127.0.0.1", "localhost");
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display());
    let store = open(&url, SETTINGS).await.unwrap();
    store.probe().await.unwrap();
}
