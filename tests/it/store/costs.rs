//! What the store is asked for costs as much in a large store as in a small one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use credentiald::store::{postgres, sqlite};
use tempfile::TempDir;

use super::everything;
use super::large;
use super::observed::{COUNTERS, Work, observe};
use super::postgres::{SETTINGS, open};
use super::sqlite::connection_to;
use super::values::add_tenant;
use crate::support::postgres::shared;

/// How many there are of everything in a small store: more than any statement takes at once.
const SMALL: u32 = 1000;
const LARGE: u32 = 10 * SMALL;

/// What SQLite counts as the work of each statement, and how often each is run, is the same in a store that is ten times as
/// large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_takes_more_work_in_a_larger_store() {
    let [small, large] = [Costs::in_store_of(SMALL).await, Costs::in_store_of(LARGE).await];
    let statements: BTreeSet<String> = everything::RARE.iter().map(|&text| text.to_owned()).collect();
    let statements = statements.union(&large.of_all.keys().cloned().collect()).cloned().collect();
    assert_eq!(everything::not_run(&statements), Vec::<String>::new(), "a statement that is not run");
    let mut more = Vec::new();
    for (statement, after) in &large.of_all {
        let before = small.of_all.get(statement).copied().unwrap_or_default();
        for (((what, _), before), after) in COUNTERS.iter().zip(before.most).zip(after.most) {
            // Some find a row more or less, because ids are random.
            if after > before + before / 10 + 50 {
                more.push(format!("{statement}\n  {what}: {before} of {SMALL}, {after} of {LARGE}"));
            }
        }
    }
    for (statement, after) in &large.of_calls {
        let before = small.of_calls.get(statement).map_or(0, |work| work.runs);
        if before != after.runs {
            more.push(format!("{statement}\n  runs: {before} of {SMALL}, {} of {LARGE}", after.runs));
        }
    }
    more.retain(|line| !everything::MAY_READ_ALL.iter().any(|(beginning, _)| line.starts_with(beginning)));
    assert!(more.is_empty(), "{}", more.join("\n"));
}

/// Each statement gets a quarter of the time that it has by default, in a store of 40,000 users with 160,000 earlier hashes, and
/// nothing is tried twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_done_in_a_quarter_of_the_time_that_a_statement_has() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let acme = add_tenant(&store, "acme").await;
    add_tenant(&store, "globex").await;
    store.close().await;
    // Without a look at each reference.
    let mut statements = vec!["SET session_replication_role = replica".to_owned()];
    statements.extend(large::rows(40_000, "BYTEA"));
    statements.push("ANALYZE".to_owned());
    cluster.run(&database, &statements).await;

    let by_default = Duration::from_secs(5);
    let hurried = postgres::Settings { statement_timeout: by_default / 4, patience: Duration::ZERO, ..SETTINGS };
    let store = open(&cluster.url(&database), hurried).await.unwrap();
    everything::is_asked_of(&store, &acme).await;
    everything::is_worked_off(&store).await;
    store.close().await;
}

struct Costs {
    /// Of what somebody calls.
    of_calls: BTreeMap<String, Work>,
    /// Also of what is worked off later, for as long as that takes.
    of_all: BTreeMap<String, Work>,
}

impl Costs {
    async fn in_store_of(count: u32) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        let store = sqlite::open(&path).await.unwrap();
        let acme = add_tenant(&store, "acme").await;
        add_tenant(&store, "globex").await;
        store.close().await;
        let rows = large::rows(count, "BLOB").join(";\n");
        connection_to(&path).execute_batch(&format!("BEGIN; {rows}; COMMIT")).unwrap();

        let observed = observe(&path);
        let store = sqlite::open(&path).await.unwrap();
        everything::is_asked_of(&store, &acme).await;
        let of_calls = statements(observed.lock().unwrap().clone());
        everything::is_worked_off(&store).await;
        store.close().await;
        let of_all = statements(observed.lock().unwrap().clone());
        Self { of_calls, of_all }
    }
}

/// Without what begins, ends and prepares.
fn statements(observed: BTreeMap<String, Work>) -> BTreeMap<String, Work> {
    observed.into_iter().filter(|(text, _)| everything::is_statement(text)).collect()
}
