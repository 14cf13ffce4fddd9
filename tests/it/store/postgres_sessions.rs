//! What a connection that was kept is good for, and what a server does for a caller that has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::domain::time::Timestamp;
use credentiald::ports::store::{Commit, CommitOutcome, Credentials};
use credentiald::ports::{Clock, Deadline, StoreError};
use credentiald::store::postgres::{self, Settings, Url};

use super::postgres::{SETTINGS, audit_events, open};
use super::values::*;
use crate::support::postgres::{Cluster, shared};
use crate::support::proxy::Proxy;

/// Settings under which a lost server is given up soon.
const BRIEF: Settings = Settings { connections: 8, patience: Duration::from_secs(1), ..SETTINGS };

/// Time goes on all the same, but a test can let a few seconds pass at once.
#[derive(Default)]
struct Rested(AtomicBool);

impl Clock for Rested {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn instant(&self) -> Instant {
        let later = if self.0.load(Ordering::SeqCst) { Duration::from_secs(10) } else { Duration::ZERO };
        SystemClock.instant() + later
    }
}

fn through(proxies: &[&Proxy], cluster: &Cluster, database: &str) -> String {
    let hosts: Vec<_> = proxies.iter().map(|proxy| format!("127.0.0.1:{}", proxy.port)).collect();
    cluster.url(database).replace(&format!("127.0.0.1:{}", cluster.port), &hosts.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_a_session_that_the_server_had_ended_is_not_in_doubt() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), BRIEF).await.unwrap();
    let alice = alice(&store).await;
    // Twice, so that the statement of a change is prepared.
    make_change(&store, alice, 1).await;
    make_change(&store, alice, 2).await;
    let shut = format!("ALTER DATABASE \"{database}\" ALLOW_CONNECTIONS false");
    let kill = format!("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = '{database}'");
    cluster.run("postgres", &[shut, kill]).await;
    let outcome = store.commit(&change(alice, Some(3))).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    cluster.run("postgres", &[format!("ALTER DATABASE \"{database}\" ALLOW_CONNECTIONS true")]).await;
    make_change(&store, alice, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_a_connection_that_was_lost_at_rest_is_not_in_doubt() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let proxy = Proxy::to(cluster.port).await;
    let url = Url::parse(&through(&[&proxy], cluster, &database)).unwrap();
    let clock = Arc::new(Rested::default());
    let store =
        postgres::open(&url, BRIEF, Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemEntropy)).await.unwrap();
    let alice = alice(&store).await;
    make_change(&store, alice, 1).await;
    make_change(&store, alice, 2).await;
    proxy.hang_up();
    clock.0.store(true, Ordering::SeqCst);
    let outcome = store.commit(&change(alice, Some(3))).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
}

/// Whoever stops waiting tries again, or leaves it: in both cases the change must not come later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_waits_for_a_lock_is_not_made_after_its_deadline() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let alice = alice(&store).await;
    make_change(&store, alice, 1).await;
    let events = audit_events(cluster, &database).await;
    let mut other = cluster.connection(&database).await;
    sqlx::raw_sql("BEGIN; UPDATE credential SET changed_at = changed_at").execute(&mut other).await.unwrap();
    let deadline = Some(Deadline::at(SystemClock.instant() + Duration::from_secs(1)));
    let outcome = store.commit(&Commit { deadline, ..change(alice, Some(2)) }).await;
    assert!(outcome.is_err(), "{outcome:?}");

    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    // Who waited for the lock is done with it before this gets it.
    sqlx::raw_sql("UPDATE credential SET changed_at = changed_at").execute(&mut other).await.unwrap();
    assert_eq!(store.credential(alice).await.unwrap().unwrap().version, version(2));
    assert_eq!(audit_events(cluster, &database).await, events);
}

/// As behind a pooler that hands the connections to the server from one transaction to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_loses_its_isolation_makes_no_change() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let direct = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let alice = alice(&direct).await;
    let forgetful = [
        "CREATE SCHEMA forgetful".to_owned(),
        "GRANT USAGE ON SCHEMA forgetful TO PUBLIC".to_owned(),
        "CREATE FUNCTION forgetful.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$
             SELECT CASE WHEN $1 = 'default_transaction_isolation' THEN $2
                 ELSE pg_catalog.set_config($1, $2, $3) END $$"
            .to_owned(),
        format!("ALTER DATABASE \"{database}\" SET search_path = forgetful, pg_catalog, public"),
    ];
    cluster.run(&database, &forgetful).await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let outcome = store.commit(&change(alice, Some(1))).await;
    let Err(StoreError::Unavailable(cause)) = outcome else { panic!("{outcome:?}") };
    assert!(cause.to_string().contains("not serializable"), "{cause}");
    assert_eq!(store.credential(alice).await.unwrap().unwrap().version, version(1));
    make_change(&direct, alice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_fails_sends_the_service_to_the_other_server() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let (first, second) = (Proxy::to(cluster.port).await, Proxy::to(cluster.port).await);
    second.fall_silent();
    let url = through(&[&first, &second], cluster, &database);
    // One connection, and one try: it was for reads, so it has to be turned.
    let settings = Settings { connections: 1, patience: Duration::ZERO, ..SETTINGS };
    let direct = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let alice = alice(&direct).await;
    let store = open(&url, settings).await.unwrap();
    store.credential(alice).await.unwrap();
    first.hang_up();
    second.speak();
    let changed = store.commit(&change(alice, Some(1))).await.unwrap();
    assert_eq!(changed, CommitOutcome::Committed(version(2)));
}

/// What reads takes a connection for writes as it is, so that a small pool is not turned to and fro.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_single_connection_reads_and_changes_take_one_round_trip_each() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let proxy = Proxy::to(cluster.port).await;
    let store = open(&through(&[&proxy], cluster, &database), Settings { connections: 1, ..SETTINGS }).await.unwrap();
    let alice = alice(&store).await;
    let read_and_change = async |expected| {
        store.credential(alice).await.unwrap();
        make_change(&store, alice, expected).await;
    };
    // These prepare the statements.
    read_and_change(1).await;
    read_and_change(2).await;
    proxy.take_asked();
    read_and_change(3).await;
    read_and_change(4).await;
    let mut asked = proxy.take_asked();
    // On a slow machine, a connection was at rest.
    asked.retain(|text| text != "prepare");
    let (reads, changes): (Vec<_>, Vec<_>) = asked.iter().partition(|text| text.starts_with("SELECT"));
    assert!(reads.len() == 2 && changes.len() == 2, "{asked:#?}");
}
