//! Wrong passwords of many origins of one subject, on the real database.

use std::sync::Arc;

use credentiald::domain::attempts::{COUNTED_FOR, Forget, KEPT_PAIRS, Pair};
use credentiald::domain::time::days;
use credentiald::ports::store::{Attempts, Upkeep};
use futures_util::future::join_all;

use super::attempts::of_caller;
use super::postgres::{SETTINGS, open};
use super::values::*;
use crate::support::postgres::Cluster;

/// Each of the first takes the row of an old pair after the subject's; each of the others once took them in the other order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pairs_that_are_counted_pushed_out_and_forgotten_never_wait_in_a_circle() {
    let cluster = Cluster::with_store().await;
    let store = Arc::new(open(&cluster.url("credentiald"), SETTINGS).await.unwrap());
    let kept = u16::try_from(KEPT_PAIRS).unwrap();
    let seed = format!(
        "INSERT INTO pair_failures (subject_key, caller_key, count, last_at)
         SELECT decode(repeat('01', 32), 'hex'), decode(lpad(to_hex(n), 4, '0') || repeat('00', 30), 'hex'), 1, n
         FROM generate_series(0, {kept} - 1) n"
    );
    let count = format!(
        "INSERT INTO subject_failures (subject_key, count, last_at)
         VALUES (decode(repeat('01', 32), 'hex'), {kept}, {kept})"
    );
    cluster.run("credentiald", &[seed, count]).await;
    assert_eq!(store.failures(&of_caller(7)).await.unwrap().by_all.count, KEPT_PAIRS);
    let tasks = (0..8).map(|task: u16| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..40_u16 {
                if task.is_multiple_of(2) {
                    let new = of_caller(kept + task * 100 + round);
                    store.record_failure(&new, at(i64::from(kept)), &limit(), &event()).await.unwrap();
                } else if round.is_multiple_of(2) {
                    // Those in the middle are the next to be pushed out.
                    store.forget_failures(&of_caller(kept / 2 + round)).await.unwrap();
                } else {
                    let of = Forget::Pair(of_caller(kept / 2 + round));
                    store.clear_failures(&of, &authority()).await.unwrap();
                }
            }
        })
    });
    for done in join_all(tasks.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    store.close().await;
    assert!(!cluster.log().contains("deadlock detected"), "{}", cluster.log());
}

/// A subject has a second key, which is counted before it exists: here the smaller one. Upkeep locks the keys in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pairs_with_two_keys_and_upkeep_never_wait_in_a_circle() {
    let cluster = Cluster::with_store().await;
    let store = Arc::new(open(&cluster.url("credentiald"), SETTINGS).await.unwrap());
    let tasks = (0..8_u8).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let on_name = pair(1, task);
            let of_subject = Pair { name: Some(on_name.subject), ..pair(2, task) };
            for _ in 0..40 {
                match task % 4 {
                    0 => store.record_failure(&on_name, at(1), &limit(), &event()).await.unwrap(),
                    1 => store.record_failure(&of_subject, at(1), &limit(), &event()).await.unwrap(),
                    2 => store.forget_failures(&of_subject).await.unwrap(),
                    // Not retried: another transaction may be faster.
                    _ => drop(store.remove_old_failures(at(0).after(days(500)), COUNTED_FOR).await),
                }
            }
        })
    });
    for done in join_all(tasks.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    store.close().await;
    assert!(!cluster.log().contains("deadlock detected"), "{}", cluster.log());
}
