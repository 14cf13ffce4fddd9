//! What is recorded of callers who are refused again and again, and how long it is kept.

use std::time::Duration;

use credentiald::domain::time::days;
use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::json;

use crate::store::connection_to;
use crate::support::clock::MovedClock;
use crate::support::serving::eventually;
use crate::support::{Client, Setup, database};

/// Has a caller refused so often, at the same time.
async fn refuse(caller: &Client, method: &str, times: usize) {
    join_all((0..times).map(|_| caller.err(method, json!({}), "ACCESS_DENIED"))).await;
}

/// The refusals that are recorded: how many events there are, and how many refusals they stand for.
fn recorded(connection: &Connection) -> (u32, u32) {
    let select = "SELECT count(*), coalesce(sum(1 + repeats), 0) FROM audit_event WHERE outcome = 'denied'";
    connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_few_audit_events_that_count_every_one() {
    let clock = MovedClock::stopped();
    let world = Setup::default().by(&clock).start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let store = connection_to(&database(&world.directory));

    refuse(&alice, "ListRamUsers", 300).await;
    refuse(&alice, "ListIamUsers", 300).await;
    assert_eq!(recorded(&store), (2, 2), "the first ones, before they are answered");

    clock.forward(Duration::from_mins(1));
    let all = eventually("the counts", || Some(recorded(&store)).filter(|(events, _)| *events == 4)).await;
    assert_eq!(all, (4, 600));
    let select = "SELECT repeats, at - repeated_since FROM audit_event WHERE action = 'admin:ListRamUsers'
         ORDER BY number";
    let mut found = store.prepare(select).unwrap();
    let found = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found: Vec<(u32, Option<i64>)> = found.map(Result::unwrap).collect();
    assert_eq!(found, [(0, None), (298, Some(0))]);

    // The next window begins with an event again.
    refuse(&alice, "ListRamUsers", 1).await;
    assert_eq!(recorded(&store), (5, 601));
}

#[tokio::test]
async fn a_flood_of_refusals_on_many_resources_is_a_few_audit_events_too() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let database = database(&world.directory);
    for part in 0..5 {
        join_all((0..50).map(|number| {
            let subject = json!({ "ram_user": format!("user-{part}-{number}") });
            let request = json!({ "subject": subject, "generate_password": true });
            let alice = alice.clone();
            async move { alice.err("ResetPassword", request, "ACCESS_DENIED").await }
        }))
        .await;
    }
    assert_eq!(recorded(&connection_to(&database)), (61, 61));
    let world = world.restart().await;
    assert_eq!(recorded(&connection_to(&database)), (62, 250));
    drop(world);
}

#[tokio::test]
async fn a_stop_records_what_was_counted() {
    // Even where there is no drain time.
    let world = Setup::default().with("server.drain_seconds", "0").start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let database = database(&world.directory);
    refuse(&alice, "ListRamUsers", 50).await;
    let world = world.restart().await;
    assert_eq!(recorded(&connection_to(&database)).1, 50);
    drop(world);
}

#[tokio::test]
async fn a_refusal_that_the_store_does_not_take_is_not_answered() {
    let world = Setup::default().by(&MovedClock::stopped()).start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let store = connection_to(&database(&world.directory));
    let trigger = "CREATE TRIGGER refusing BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'refused'); END";
    store.execute_batch(trigger).unwrap();
    let calls = || join_all((0..20).map(|_| alice.call("ListRamUsers", json!({}))));

    let refused = calls().await;
    assert!(refused.iter().all(|reply| reply.reason() == "STORE_UNAVAILABLE"), "{refused:?}");
    assert_eq!(recorded(&store), (0, 0));

    store.execute_batch("DROP TRIGGER refusing").unwrap();
    let denied = calls().await;
    assert!(denied.iter().all(|reply| reply.reason() == "ACCESS_DENIED"), "{denied:?}");
    assert_eq!(recorded(&store), (1, 1));
}

#[tokio::test]
async fn audit_events_go_when_they_have_been_kept_as_long_as_is_set() {
    let clock = MovedClock::default();
    clock.back(days(103));
    let world = Setup::default().by(&clock).start().await;
    let path = database(&world.directory);
    let count = |condition: &str| {
        let select = format!("SELECT count(*) FROM audit_event WHERE {condition}");
        connection_to(&path).query_row(&select, [], |row| row.get::<_, u32>(0)).unwrap()
    };
    eventually("the end of the range", || (count("position IS NULL") == 0).then_some(())).await;
    clock.forward(days(5));
    world.root.ok("CreateRamUser", json!({ "user_name": "alice" })).await;
    let world = world.restart_with(&[("audit.kept_days", "100")]).await;
    eventually("the removal", || (count("action = 'admin:CreateTenant'") == 0).then_some(())).await;
    assert_eq!(count("action = 'admin:CreateRamUser'"), 1);
    drop(world);
}
