//! Writes that wait for the embedded store at the same time are committed together, and do what they do one by one.

use std::fs;
use std::time::Duration;

use credentiald::domain::credential::ChangeId;
use credentiald::domain::credential::ChangedBy;
use credentiald::domain::subject::{SubjectId, SubjectName};
use credentiald::ports::store::{
    Attempts, Authority, CommitOutcome, Credentials, ImportedSubject, Imports, NewSubject, Subjects,
};
use credentiald::store::{SqlStore, sqlite};
use futures_util::future::{BoxFuture, join, join_all};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Builder;
use uuid::Uuid;

use super::sqlite::connection_to;
use super::values::*;

const USERS: u128 = 4;

#[derive(Debug, Clone, Copy)]
enum Write {
    /// Stale, unless the user is at that version.
    Change {
        user: u128,
        expected: u64,
    },
    Delete(u128),
    /// Fails after all its other statements if the event was recorded before.
    Fail {
        pair: u8,
        event: u128,
    },
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => (0..USERS, 1..4u64).prop_map(|(user, expected)| Write::Change { user, expected }),
        1 => (0..USERS).prop_map(Write::Delete),
        3 => (0..2u8, 0..4u128).prop_map(|(pair, event)| Write::Fail { pair, event }),
    ]
}

fn user(number: u128) -> SubjectId {
    SubjectId(Uuid::from_u128(number + 1))
}

fn name(number: u128) -> SubjectName {
    ram_user(&format!("user-{number}"))
}

/// A store with a tenant and its users.
async fn store_in(directory: &TempDir) -> SqlStore {
    let store = sqlite::open(&directory.path().join("store.db")).await.unwrap();
    let acme = add_tenant(&store, "acme").await;
    for number in 0..USERS {
        let mut subject = subject(name(number));
        subject.id = user(number);
        let new = NewSubject { tenant: acme.clone(), subject, first_password: None };
        store.create_subject(&new, &authority()).await.unwrap();
        store.commit(&change(user(number), None)).await.unwrap();
    }
    store
}

/// Takes long, so that others wait for their turn meanwhile.
async fn import(store: &SqlStore, round: usize) -> String {
    let imported = |name: &str| ImportedSubject {
        tenant: tenant("acme"),
        subject: subject(ram_user(&format!("{name}-{round}"))),
        hash: Some(hash(1)),
        changed_by: ChangedBy::Administrator,
        changed_at: at(7),
        change_id: ChangeId(Uuid::new_v4()),
    };
    let imported = [imported("one"), imported("two")];
    format!("{:?}", store.import(&imported, &[Authority::of_process(event())]).await)
}

/// Returns what its caller sees.
async fn run(store: &SqlStore, write: Write) -> String {
    match write {
        Write::Change { user: number, expected } => {
            let outcome = store.commit(&change(user(number), Some(expected))).await.unwrap();
            // What there is instead is read later.
            matches!(outcome, CommitOutcome::Committed(_)).to_string()
        }
        Write::Delete(number) => {
            format!("{:?}", store.delete_subject(&tenant("acme"), &name(number), &authority()).await)
        }
        Write::Fail { pair: number, event: id } => {
            let mut event = event();
            event.id = Uuid::from_u128(id + 1);
            store.record_failure(&pair(number, 1), at(1), &limit(), &event).await.is_ok().to_string()
        }
    }
}

/// Everything that the writes may change.
async fn content(store: &SqlStore) -> Vec<String> {
    let mut content = Vec::new();
    for number in 0..USERS {
        content.push(format!("{:?}", store.credential(user(number)).await.unwrap()));
    }
    for number in 0..2 {
        content.push(format!("{:?}", store.failures(&pair(number, 1)).await.unwrap()));
    }
    content
}

/// Another program.
fn beside(directory: &TempDir) -> Connection {
    let connection = connection_to(&directory.path().join("store.db"));
    connection.busy_timeout(Duration::from_mins(1)).unwrap();
    connection
}

fn events(directory: &TempDir) -> i64 {
    let connection = connection_to(&directory.path().join("store.db"));
    connection.query_row("SELECT count(*) FROM audit_event", [], |row| row.get(0)).unwrap()
}

/// How many commits the write-ahead log holds: the last frame of each has the size of the database
/// (<https://www.sqlite.org/fileformat2.html#walformat>).
fn commits(directory: &TempDir) -> usize {
    let log = fs::read(directory.path().join("store.db-wal")).unwrap();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let (page, salts) = (number(&log[8..12]) as usize, &log[16..24]);
    let frames = log[32..].chunks_exact(24 + page).take_while(|frame| &frame[8..16] == salts);
    frames.filter(|frame| number(&frame[4..8]) > 0).count()
}

#[test]
fn writes_that_are_committed_together_do_what_they_do_one_by_one() {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let law = |writes: Vec<Write>| {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let [one_by_one, together] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
            let (store, of_group) = (store_in(&one_by_one).await, store_in(&together).await);
            let before = [&one_by_one, &together].map(commits);
            let mut expected = Vec::new();
            for write in &writes {
                expected.push(run(&store, *write).await);
            }
            // All wait for their turn until nobody else writes.
            let beside = beside(&together);
            beside.execute_batch("BEGIN IMMEDIATE").unwrap();
            let all = writes.iter().map(|write| Box::pin(run(&of_group, *write)) as BoxFuture<'_, String>);
            let (outcomes, ()) = join(join_all(all), async { beside.execute_batch("COMMIT").unwrap() }).await;
            assert_eq!(outcomes, expected);
            let made =
                [(&one_by_one, before[0]), (&together, before[1])].map(|(store, before)| commits(store) - before);
            assert_eq!(made[1], made[0].min(1), "one commit for all");
            assert_eq!(content(&of_group).await, content(&store).await);
            assert_eq!(events(&together), events(&one_by_one));
            // All of it is on the disk.
            of_group.close().await;
            let of_group = sqlite::open(&together.path().join("store.db")).await.unwrap();
            assert_eq!(content(&of_group).await, content(&store).await);
        });
        Ok(())
    };
    // Their order is that of their turns.
    TestRunner::new(config).run(&prop::collection::vec(write(), 1..16), law).unwrap();
}

/// Whenever they hang up: each write is made as a whole or not at all, and others can write.
#[tokio::test]
async fn callers_that_hang_up_leave_no_transaction_open() {
    let directory = TempDir::new().unwrap();
    let store = store_in(&directory).await;
    let mut versions = vec![1; usize::try_from(USERS).unwrap()];
    for round in 0..60_usize {
        let (recorded, made) = (events(&directory), versions.iter().sum::<u64>());
        let importing = store.clone();
        let mut tasks = vec![tokio::spawn(async move { drop(import(&importing, round).await) })];
        for (number, version) in (0..).zip(versions.iter().copied()) {
            let store = store.clone();
            tasks.push(tokio::spawn(async move { drop(store.commit(&change(user(number), Some(version))).await) }));
        }
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        for task in &tasks {
            task.abort();
        }
        join_all(tasks).await;
        beside(&directory).execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
        for (number, version) in (0..).zip(&mut versions) {
            *version = store.credential(user(number)).await.unwrap().unwrap().version.number();
        }
        let changes = versions.iter().sum::<u64>() - made;
        let imported = store.subject(&tenant("acme"), &ram_user(&format!("two-{round}"))).await.unwrap().is_some();
        assert_eq!(events(&directory) - recorded, i64::try_from(changes + u64::from(imported)).unwrap());
    }
}
