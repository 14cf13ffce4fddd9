//! What watches cost the store: a change is read once for all of them, however many there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::barrier::{BarrierStore, Calls};
use crate::support::{Setup, Watching, World};

const WATCHES: usize = 192;

/// A world that counts what its store is asked for.
async fn counting() -> (World, Calls) {
    let calls = Calls::default();
    let counted = Arc::clone(&calls);
    let setup = Setup::default().with("watch.per_caller", "1000").with("watch.per_tenant", "1000");
    // No heartbeat comes in between.
    let setup = setup.with("watch.heartbeat_seconds", "3600");
    let world = setup.around(move |store| Arc::new(BarrierStore::counting(store, &counted))).start().await;
    (world, calls)
}

fn count(calls: &Calls, method: &str) -> usize {
    calls.lock().unwrap().get(method).copied().unwrap_or_default()
}

async fn received(watch: &mut Watching, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(watch.event().await["event"]["subject"]["ram_user"].as_str().unwrap().to_owned());
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_read_once_for_all_watches_and_those_of_other_tenants_read_nothing() {
    let (world, calls) = counting().await;
    let other = world.tenant("globex").await;
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        let mut watch = other.watch(json!({})).await;
        watch.next().await.unwrap();
        watches.push(watch);
    }

    calls.lock().unwrap().clear();
    for number in 0..5 {
        world.root.ok("CreateRamUser", json!({ "user_name": format!("user-{number}") })).await;
    }
    other.ok("CreateRamUser", json!({ "user_name": "watched" })).await;
    for event in join_all(watches.iter_mut().map(Watching::event)).await {
        assert_eq!(event["event"]["subject"]["ram_user"], "watched");
    }

    assert_eq!(count(&calls, "change_events"), 0, "no watch reads for itself");
    // Six events have at most six batches.
    assert!(count(&calls, "all_change_events") <= 6, "{calls:?}");
    // Each creation looks its name up; the watches look up the one subject that they receive events of.
    assert!(count(&calls, "look_up") + count(&calls, "look_up_for") <= 12, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_lags_behind_misses_nothing() {
    let (world, calls) = counting().await;
    let mut first = world.root.watch(json!({})).await;
    let begin = first.next().await.unwrap();
    // More than a feed holds.
    for number in 0..300 {
        world.root.ok("CreateRamUser", json!({ "user_name": format!("user-{number}") })).await;
    }
    let seen = received(&mut first, 300).await;
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 300);
    let mut second = world.root.watch(json!({ "cursor": begin["cursor"] })).await;
    assert_eq!(received(&mut second, 300).await, seen, "in the same order");
    assert!(count(&calls, "change_events") >= 1, "{calls:?}");
    world.root.ok("CreateRamUser", json!({ "user_name": "last" })).await;
    for watch in [&mut first, &mut second] {
        assert_eq!(watch.event().await["event"]["subject"]["ram_user"], "last");
    }
}
