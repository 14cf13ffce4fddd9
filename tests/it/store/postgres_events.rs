//! What only a database with several writers at a time can show of change events.

use credentiald::domain::change_event::Position;
use credentiald::ports::store::ChangeEvents;
use sqlx::Connection;

use super::postgres::{SETTINGS, open};
use super::values::*;
use crate::support::postgres::shared;

#[tokio::test]
async fn an_event_that_commits_late_reaches_readers_of_later_ones() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let acme = add_tenant(&store, "acme").await;
    let alice = add_subject_with_password(&store, &acme, ram_user("alice")).await.id;
    let bob = add_subject_with_password(&store, &acme, ram_user("bob")).await.id;
    let mut late = cluster.connection(&database).await;
    sqlx::raw_sql(
        "BEGIN;
         UPDATE subject SET events = events + 1 WHERE name = 'alice';
         INSERT INTO change_event (subject_id, number, id, at, tenant_id, tenant, kind, written, what, version)
         SELECT id, events, id, 1, (SELECT t.id FROM tenant t), tenant, kind, written, 'changed', 2 FROM subject WHERE name = 'alice'",
    )
    .execute(&mut late)
    .await
    .unwrap();

    make_change(&store, bob, 1).await;
    store.number_change_events().await.unwrap();
    let early = store.change_events(tenant_id(&acme), Position(0), 10).await.unwrap();
    assert_eq!(early.events.len(), 3, "two were created, and one was changed");
    sqlx::raw_sql("COMMIT").execute(&mut late).await.unwrap();
    late.close().await.unwrap();

    assert!(
        store.change_events(tenant_id(&acme), early.up_to, 10).await.unwrap().events.is_empty(),
        "it has no position yet"
    );
    store.number_change_events().await.unwrap();
    let rest = store.change_events(tenant_id(&acme), early.up_to, 10).await.unwrap();
    let events: Vec<_> = rest.events.iter().map(|(_, event)| (event.subject, event.kind.as_str())).collect();
    assert_eq!(events, [(alice, "changed")]);
}

/// Those who give positions wait for each other, and for nobody who writes.
#[tokio::test]
async fn positions_are_given_beside_a_writer_who_does_not_commit() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    let acme = add_tenant(&store, "acme").await;
    add_subject(&store, &acme, ram_user("alice")).await;
    let mut open = cluster.connection(&database).await;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE subject SET events = events + 1")
        .execute(&mut open)
        .await
        .unwrap();
    for _ in 0..3 {
        store.number_change_events().await.unwrap();
    }
    assert_eq!(store.change_events(tenant_id(&acme), Position(0), 10).await.unwrap().events.len(), 1);
    sqlx::raw_sql("COMMIT").execute(&mut open).await.unwrap();
}
