//! Whatever happens on the way to a PostgreSQL server and back: a change is made once or not at all.

use std::time::Duration;

use credentiald::ambient::SystemClock;
use credentiald::domain::access_token::NonceKey;
use credentiald::domain::candidate_policy::{CandidateStep, Comparisons};
use credentiald::domain::subject::SubjectId;
use credentiald::domain::tenant_settings::TenantSettings;
use credentiald::ports::store::{AccessTokens, Attempts, Commit, CommitOutcome, Credentials, Subjects, Tenants};
use credentiald::ports::{Clock, Deadline, StoreError};
use credentiald::store::SqlStore;
use credentiald::store::postgres::Settings;
use sqlx::PgConnection;
use tokio::task::JoinHandle;

use super::postgres::{SETTINGS, audit_events, open};
use super::take_overs::{marked, taken_over};
use super::values::*;
use crate::support::postgres::{Cluster, shared};
use crate::support::proxy::{Cut, Proxy};
use crate::support::serving::PATIENCE;

/// Settings under which nothing is waited for.
const IMPATIENT: Settings = Settings { connections: 8, patience: Duration::ZERO, ..SETTINGS };
/// Settings under which a lost server is given up soon.
const BRIEF: Settings = Settings { connections: 8, patience: Duration::from_secs(1), ..SETTINGS };

/// A store with Alice in it, who has her first password.
async fn with_alice(settings: Settings) -> (&'static Cluster, String, SqlStore, SubjectId) {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), settings).await.unwrap();
    let id = alice(&store).await;
    (cluster, database, store, id)
}

/// Alice's row, held by somebody who is about to have changed it.
async fn held(cluster: &Cluster, database: &str) -> PgConnection {
    let mut connection = cluster.connection(database).await;
    sqlx::raw_sql("BEGIN; UPDATE credential SET changed_at = changed_at").execute(&mut connection).await.unwrap();
    connection
}

/// A change that runs beside the test.
fn spawn_change(store: &SqlStore, subject: SubjectId) -> JoinHandle<Result<CommitOutcome, StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.commit(&change(subject, Some(1))).await })
}

/// The server process that waits for a lock there, once there is one.
async fn waiting(cluster: &Cluster, database: &str) -> i32 {
    let mut connection = cluster.connection(database).await;
    let select = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let found = async {
        loop {
            let found: Option<i32> = sqlx::query_scalar(select).fetch_optional(&mut connection).await.unwrap();
            if let Some(pid) = found {
                return pid;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("a change waits for a lock")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_is_done_again() {
    let (cluster, database, store, alice) = with_alice(SETTINGS).await;
    let mut other = held(cluster, &database).await;
    let change = spawn_change(&store, alice);
    waiting(cluster, &database).await;
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert_eq!(change.await.unwrap().unwrap(), CommitOutcome::Committed(version(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_without_patience_changes_nothing() {
    let (cluster, database, store, alice) = with_alice(IMPATIENT).await;
    let events = audit_events(cluster, &database).await;
    let mut other = held(cluster, &database).await;
    let change = spawn_change(&store, alice);
    waiting(cluster, &database).await;
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    let error = change.await.unwrap().unwrap_err();
    let StoreError::Unavailable(cause) = error else { panic!("{error:?}") };
    assert!(format!("{cause:?}").contains("40001"), "{cause:?}");
    assert_eq!(audit_events(cluster, &database).await, events);
    make_change(&store, alice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_failures_are_all_counted() {
    const RACERS: u32 = 24;
    let (_, _, store, _) = with_alice(SETTINGS).await;
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let store = store.clone();
            let pair = pair(1, u8::try_from(number % 2).unwrap());
            tokio::spawn(async move { store.record_failure(&pair, at(1), &limit(), &event()).await })
        })
        .collect();
    for racer in racers {
        racer.await.unwrap().unwrap();
    }
    let failures = store.failures(&pair(1, 1)).await.unwrap();
    assert_eq!((failures.by_caller.count, failures.by_all.count), (RACERS / 2, RACERS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_mid_way_is_replaced() {
    let (cluster, database, store, alice) = with_alice(SETTINGS).await;
    let events = audit_events(cluster, &database).await.len();
    let mut other = held(cluster, &database).await;
    let change = spawn_change(&store, alice);
    let pid = waiting(cluster, &database).await;
    let kill = format!("SELECT pg_terminate_backend({pid})");
    cluster.run("postgres", &[kill]).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(change.await.unwrap().unwrap(), CommitOutcome::Committed(version(2)));
    assert_eq!(audit_events(cluster, &database).await.len(), events + 1);
}

/// The last moment at which the server ends a session with a report: while it commits, before it writes that it did.
const ENDS_AT_COMMIT: &[&str] = &[
    "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
     BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON audit_event DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION end_session()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_ended_with_a_report_at_its_commit_has_written_nothing() {
    let (cluster, database, store, alice) = with_alice(IMPATIENT).await;
    let events = audit_events(cluster, &database).await;
    cluster.run(&database, ENDS_AT_COMMIT).await;
    // In one statement, and with a `COMMIT`.
    let changed = store.commit(&change(alice, Some(1))).await;
    let created = store.create_tenant(&new_tenant("globex", 1), &authority()).await.map(drop);
    for outcome in [changed.map(drop), created] {
        let Err(StoreError::Unavailable(cause)) = &outcome else { panic!("{outcome:?}") };
        assert!(format!("{cause:?}").contains("57P01"), "{cause:?}");
    }
    cluster.run(&database, &["DROP TRIGGER ends ON audit_event"]).await;
    assert_eq!(audit_events(cluster, &database).await, events);
    make_change(&store, alice, 1).await;
    add_tenant(&store, "globex").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_connections_are_killed_no_caller_notices() {
    let (cluster, database, store, alice) = with_alice(SETTINGS).await;
    for expected in 1..6 {
        let kill = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        cluster.run("postgres", &[kill]).await;
        assert!(store.credential(alice).await.unwrap().is_some());
        make_change(&store, alice, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let (cluster, database, _, alice) = with_alice(SETTINGS).await;
        let proxy = Proxy::to(cluster.port).await;
        let store = open(&through(&proxy, cluster, &database), SETTINGS).await.unwrap();
        let events = audit_events(cluster, &database).await.len();
        proxy.cut(cut);
        assert_eq!(
            store.commit(&change(alice, Some(1))).await.unwrap(),
            CommitOutcome::Committed(version(2)),
            "{cut:?}"
        );
        assert!(proxy.has_cut());
        assert_eq!(audit_events(cluster, &database).await.len(), events + 1, "{cut:?}");
        let credential = store.credential(alice).await.unwrap().unwrap();
        assert_eq!((credential.version, credential.history), (version(2), vec![earlier(1)]), "{cut:?}");

        let (other, authority) = (marked(&store, "bob").await, taken_over());
        let revision = store.credential(other).await.unwrap().unwrap().revision;
        proxy.cut(cut);
        assert!(store.take_over(other, revision, &hash(20), &authority).await.unwrap(), "{cut:?}");
        assert!(proxy.has_cut());
        assert_eq!(store.credential(other).await.unwrap().unwrap().hash, hash(20), "{cut:?}");
        let events = audit_events(cluster, &database).await;
        assert_eq!(events.iter().filter(|id| **id == authority.event.id).count(), 1, "{cut:?}");

        // Of the others as well: what was created is not said to have been there already.
        proxy.cut(cut);
        add_tenant(&store, "globex").await;
        assert!(proxy.has_cut());
    }
}

/// They record no event by which it could be found out that they were added.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_whose_answer_is_lost_are_not_added_twice() {
    let (cluster, database, direct, _) = with_alice(SETTINGS).await;
    let (acme, mut counts) = (tenant("acme"), Comparisons::default());
    counts.count(&[], &["MIN_LENGTH"]);
    let candidate = CandidateStep::Set(TenantSettings::default());
    direct.change_candidate(&acme, None, &candidate, &authority()).await.unwrap();
    let proxy = Proxy::to(cluster.port).await;
    let store = open(&through(&proxy, cluster, &database), SETTINGS).await.unwrap();
    proxy.cut(Cut::AfterCommit);
    let added = store.add_comparisons(tenant_id(&acme), version(1), &counts).await;
    assert!(proxy.has_cut() && matches!(added, Err(StoreError::OutcomeUnknown(_))), "{added:?}");
    assert_eq!(direct.compared_policies(&acme).await.unwrap().unwrap().1, counts);
}

/// The one who spent it would be taken for one who sends a request again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_whose_answer_is_lost_is_not_said_to_have_been_spent_before() {
    let (cluster, database, direct, _) = with_alice(SETTINGS).await;
    let proxy = Proxy::to(cluster.port).await;
    let store = open(&through(&proxy, cluster, &database), SETTINGS).await.unwrap();
    for (number, cut) in [(1, Cut::BeforeCommit), (2, Cut::AfterCommit)] {
        let nonce = NonceKey([number; 32]);
        // A connection is at hand.
        assert!(store.spend_nonce(&NonceKey([number + 10; 32]), at(30)).await.unwrap());
        proxy.cut(cut);
        let spent = store.spend_nonce(&nonce, at(30)).await;
        assert!(proxy.has_cut() && matches!(spent, Err(StoreError::OutcomeUnknown(_))), "{cut:?}: {spent:?}");
        let is_made = cut == Cut::AfterCommit;
        assert_eq!(direct.spend_nonce(&nonce, at(30)).await.unwrap(), !is_made, "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_can_not_be_found_out_about_is_unknown() {
    let (cluster, database, direct, alice) = with_alice(SETTINGS).await;
    for (cut, made) in [(Cut::BeforeCommit, 1), (Cut::AfterCommit, 2)] {
        let proxy = Proxy::to(cluster.port).await;
        let store = open(&through(&proxy, cluster, &database), BRIEF).await.unwrap();
        // A connection is at hand; no other will be.
        let refused = store.commit(&change(alice, Some(9))).await.unwrap();
        assert_eq!(refused, CommitOutcome::VersionMoved(Some(version(1))));
        proxy.cut(cut);
        proxy.close();
        let outcome = store.commit(&change(alice, Some(1))).await;
        assert!(matches!(outcome, Err(StoreError::OutcomeUnknown(_))), "{cut:?}: {outcome:?}");
        assert_eq!(direct.credential(alice).await.unwrap().unwrap().version, version(made));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_ended() {
    let (cluster, database, direct, alice) = with_alice(SETTINGS).await;
    let limited = Settings { statement_timeout: Duration::from_secs(1), ..SETTINGS };
    let store = open(&cluster.url(&database), limited).await.unwrap();
    let mut other = held(cluster, &database).await;
    let error = store.commit(&change(alice, Some(1))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    make_change(&direct, alice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let cluster = Cluster::with_store().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), BRIEF).await.unwrap();
    let alice = alice(&store).await;
    store.probe().await.unwrap();
    cluster.crash();
    for _ in 0..2 {
        let read = store.subject(&tenant("acme"), &ram_user("alice")).await.unwrap_err();
        assert!(matches!(read, StoreError::Unavailable(_)), "{read:?}");
        let written = store.commit(&change(alice, Some(1))).await.unwrap_err();
        assert!(matches!(written, StoreError::Unavailable(_)), "{written:?}");
        assert!(store.probe().await.is_err());
    }
    cluster.run_again();
    store.probe().await.unwrap();
    make_change(&store, alice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_come_is_asked_for_again() {
    let (cluster, database, _, alice) = with_alice(SETTINGS).await;
    let proxy = Proxy::to(cluster.port).await;
    let strict = Settings { statement_timeout: Duration::from_secs(1), ..SETTINGS };
    let store = open(&through(&proxy, cluster, &database), strict).await.unwrap();
    make_change(&store, alice, 1).await;
    for expected in 2..4 {
        proxy.fall_silent();
        proxy.speak();
        make_change(&store, alice, expected).await;
        proxy.fall_silent();
        proxy.speak();
        assert_eq!(store.credential(alice).await.unwrap().unwrap().version, version(expected + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_does_not_wait_for_a_silent_server_leaves_no_connection_behind() {
    let (cluster, database, _, alice) = with_alice(SETTINGS).await;
    let proxy = Proxy::to(cluster.port).await;
    let store = open(&through(&proxy, cluster, &database), Settings { connections: 2, ..SETTINGS }).await.unwrap();
    proxy.fall_silent();
    for _ in 0..8 {
        let read = tokio::time::timeout(Duration::from_millis(50), store.credential(alice)).await;
        assert!(read.is_err(), "{read:?}");
    }
    proxy.speak();
    make_change(&store, alice, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_waits_for_a_commit_gets_an_answer_by_the_deadline() {
    let within = |seconds| Some(Deadline::at(SystemClock.instant() + Duration::from_secs(seconds)));
    let (cluster, database, direct, alice) = with_alice(SETTINGS).await;
    let proxy = Proxy::to(cluster.port).await;
    let store = open(&through(&proxy, cluster, &database), SETTINGS).await.unwrap();
    // There is no connection for writes, so nothing of it is sent off.
    store.credential(alice).await.unwrap();
    proxy.fall_silent();
    let outcome = store.commit(&Commit { deadline: within(1), ..change(alice, Some(1)) }).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(direct.credential(alice).await.unwrap().unwrap().version, version(1));

    proxy.speak();
    let store = open(&through(&proxy, cluster, &database), SETTINGS).await.unwrap();
    store.credential(alice).await.unwrap();
    proxy.cut(Cut::Silence);
    let outcome = store.commit(&Commit { deadline: within(8), ..change(alice, Some(1)) }).await;
    assert!(matches!(outcome, Err(StoreError::OutcomeUnknown(_))), "{outcome:?}");
    assert_eq!(direct.credential(alice).await.unwrap().unwrap().version, version(2));
}

fn through(proxy: &Proxy, cluster: &Cluster, database: &str) -> String {
    cluster.url(database).replace(&format!(":{}/", cluster.port), &format!(":{}/", proxy.port))
}
