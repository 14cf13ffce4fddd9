//! A write and the end of what it rests on, at the same time.

use credentiald::domain::caller::Caller;
use credentiald::domain::credential::ChangedBy;
use credentiald::ports::store::{Authority, Credentials, ImportedSubject, Imports, Instances, Subjects};
use credentiald::ports::{Evidence, StoreError};
use credentiald::store::SqlStore;
use futures_util::future::BoxFuture;
use sqlx::Connection;
use uuid::Uuid;

use super::postgres::{SETTINGS, open};
use super::values::*;
use crate::support::postgres::shared;

/// How the caller of a write was proved.
#[derive(Clone, Copy)]
enum Proven {
    Token,
    TenantByName,
    UserByName,
}

/// Somebody revokes the token, or deletes the tenant, and has not committed yet when the write begins: it has to wait, and
/// then comes to nothing. A write that only read the rows would be committed after them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_for_who_takes_away_what_it_rests_on() {
    type Write = for<'a> fn(&'a SqlStore, Authority) -> BoxFuture<'a, Result<(), StoreError>>;
    let writes: [(&str, Write); 3] = [
        ("commit", |store, name| {
            Box::pin(async move {
                let acme = tenant("acme");
                let alice = store.subject(&acme, &ram_user("alice")).await?.unwrap().subject.id;
                let mut commit = change(alice, Some(1));
                (commit.authority.evidence, commit.authority.tenant) = (name.evidence, name.tenant);
                store.commit(&commit).await.map(drop)
            })
        }),
        ("directory", |store, name| {
            Box::pin(async move { store.create_instance(&tenant("acme"), &instance("r-1"), &name).await.map(drop) })
        }),
        ("import", |store, name| {
            Box::pin(async move {
                let imported = ImportedSubject {
                    tenant: tenant("acme"),
                    subject: subject(ram_user("imported")),
                    hash: Some(hash(1)),
                    changed_by: ChangedBy::Administrator,
                    changed_at: at(1),
                    change_id: credentiald::domain::credential::ChangeId(Uuid::new_v4()),
                };
                store.import(&[imported], &[name]).await.map(drop)
            })
        }),
    ];
    let proofs = [
        (Proven::Token, "DELETE FROM access_token"),
        // As the store disables it.
        (Proven::Token, "SELECT id FROM access_token FOR UPDATE; UPDATE access_token SET disabled = 1"),
        (Proven::Token, "DELETE FROM tenant WHERE name = 'globex'"),
        (Proven::TenantByName, "DELETE FROM tenant WHERE name = 'globex'"),
        (Proven::UserByName, "DELETE FROM subject WHERE tenant = 'globex'"),
    ];
    for ((what, write), (proven, taken_away)) in writes.iter().flat_map(|write| proofs.map(|proof| (write, proof))) {
        let write = *write;
        let cluster = shared().await;
        let database = cluster.new_store().await;
        let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
        alice(&store).await;
        let root = token(Caller::Root(add_tenant(&store, "globex").await));
        assert!(add_token(&store, &root, digest(1)).await);
        let evidence = match proven {
            Proven::Token => Evidence::of_token(&root),
            Proven::TenantByName => external("root globex", root.tenant, None).1,
            Proven::UserByName => {
                let bob = add_subject(&store, &tenant("globex"), ram_user("bob")).await.id;
                external("ram-user globex bob", root.tenant, Some(bob)).1
            }
        };
        let name = Authority { evidence: Some(evidence), ..authority() };
        let (mut other, mut looking) = (cluster.connection(&database).await, cluster.connection(&database).await);
        sqlx::raw_sql("BEGIN").execute(&mut other).await.unwrap();
        sqlx::raw_sql(taken_away).execute(&mut other).await.unwrap();

        let writing = tokio::spawn(async move { write(&store, name).await });
        while !writing.is_finished() {
            let locked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock'";
            if sqlx::query_scalar::<_, i64>(locked).fetch_one(&mut looking).await.unwrap() > 0 {
                break;
            }
        }
        assert!(!writing.is_finished(), "{what} did not wait: {taken_away}");
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        let outcome = writing.await.unwrap();
        assert!(matches!(outcome, Err(StoreError::EvidenceGone)), "{what}: {taken_away}: {outcome:?}");
        other.close().await.unwrap();
        looking.close().await.unwrap();
    }
}
