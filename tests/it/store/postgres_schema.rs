//! The schema of a PostgreSQL store: who makes it, which is refused, and what a check of everything in it finds.

use std::sync::Arc;

use credentiald::ambient::SystemClock;
use credentiald::domain::audit_event::AuditEvent;
use credentiald::ports::store::{AccessTokens, Attempts, AuditLog, Upkeep};
use credentiald::ports::{Clock, Unsealed};
use credentiald::store::Migrated;
use credentiald::store::postgres::{self, OpenError, Url};
use sqlx::{Connection, PgConnection};

use super::postgres::{SETTINGS, open};
use super::values::*;
use crate::support::postgres::{Cluster, shared};

/// The newest schema, which is the embedded database's as well.
const NEWEST: u32 = 11;

async fn refused(cluster: &Cluster, database: &str) -> OpenError {
    open(&cluster.url(database), SETTINGS).await.expect_err("it is refused")
}

#[tokio::test]
async fn an_empty_database_is_refused_until_it_is_migrated() {
    let cluster = shared().await;
    cluster.run("postgres", &["CREATE DATABASE empty OWNER credentiald_migrates"]).await;
    let error = refused(cluster, "empty").await;
    assert!(matches!(error, OpenError::Empty) && error.to_string().contains("credentiald migrate"), "{error}");

    let denied = postgres::migrate(&cluster.url_of("credentiald_runs", "empty")).await.unwrap_err();
    assert!(matches!(denied, OpenError::Denied(_)), "{denied:?}");

    let owner = cluster.url_of("credentiald_migrates", "empty");
    let migrations: Vec<_> = (0..4)
        .map(|_| {
            let owner = owner.clone();
            tokio::spawn(async move { postgres::migrate(&owner).await.unwrap() })
        })
        .collect();
    for migration in migrations {
        assert_eq!(migration.await.unwrap().to, NEWEST);
    }
    assert_eq!(postgres::migrate(&owner).await.unwrap(), Migrated { from: NEWEST, to: NEWEST });
    alice(&open(&cluster.url_as("credentiald_migrates", "empty"), SETTINGS).await.unwrap()).await;
}

#[tokio::test]
async fn another_schema_is_refused() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    cluster.run(&database, &["INSERT INTO schema_migration VALUES (99)"]).await;
    let newer = refused(cluster, &database).await;
    assert!(matches!(newer, OpenError::Newer { found: 99 }), "{newer}");
    let migrated = postgres::migrate(&cluster.url_of("credentiald_migrates", &database)).await;
    assert!(matches!(migrated, Err(OpenError::Newer { .. })), "{migrated:?}");

    cluster.run(&database, &["DELETE FROM schema_migration", "INSERT INTO schema_migration VALUES (1)"]).await;
    let older = refused(cluster, &database).await;
    assert!(
        matches!(older, OpenError::Older { found: 1 }) && older.to_string().contains("credentiald migrate"),
        "{older}"
    );
}

#[tokio::test]
async fn who_runs_the_service_can_neither_alter_tables_nor_what_was_recorded() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    alice(&open(&cluster.url(&database), SETTINGS).await.unwrap()).await;
    let mut connection = PgConnection::connect(&cluster.url(&database)).await.unwrap();
    for statement in [
        "ALTER TABLE tenant ADD COLUMN x TEXT",
        "DROP TABLE tenant",
        "CREATE TABLE x (x TEXT)",
        "CREATE INDEX x ON tenant (name)",
        "TRUNCATE audit_event",
        "UPDATE audit_event SET at = 0",
        "INSERT INTO schema_migration VALUES (99)",
        "DELETE FROM schema_migration",
    ] {
        let error = sqlx::raw_sql(statement).execute(&mut connection).await.expect_err(statement);
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{statement}: {error}");
    }
}

/// Not even who owns the tables removes or changes what was recorded, without taking the protection away first.
#[tokio::test]
async fn who_owns_the_tables_does_not_remove_what_was_recorded_by_mistake() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    store.record(&AuditEvent { at: SystemClock.now(), ..event() }).await.unwrap();
    let mut connection = PgConnection::connect(&cluster.url_as("credentiald_migrates", &database)).await.unwrap();
    for statement in ["TRUNCATE audit_event", "UPDATE audit_event SET at = 0", "DELETE FROM audit_event"] {
        let error = sqlx::raw_sql(statement).execute(&mut connection).await.expect_err(statement);
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23001", "{statement}: {error}");
    }
}

/// As it was documented for earlier versions.
#[tokio::test]
async fn a_role_that_may_not_remove_audit_events_is_reported_and_the_rest_goes_on() {
    let cluster = shared().await;
    let database = cluster.new_store().await;
    cluster.run(&database, &["REVOKE DELETE ON audit_event FROM credentiald_runs"]).await;
    let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
    store.record(&event()).await.unwrap();
    assert!(!store.close_audit_range(at(1), &Unsealed).await.unwrap());
    let error = store.remove_old_audit_events(at(2), &Unsealed).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("lacks a privilege") && cause.contains("docs/postgresql.md"), "{cause}");
    assert!(!store.remove_old(at(2)).await.unwrap());
}

#[tokio::test]
async fn a_url_that_leads_nowhere_is_reported_without_its_password() {
    let cluster = shared().await;
    let password = &cluster.password;
    let port = cluster.port;
    for url in [
        format!("postgres://nobody:{password}@127.0.0.1:{port}/credentiald"),
        format!("postgres://credentiald_runs:{password}x@127.0.0.1:{port}/credentiald"),
        format!("postgres://credentiald_runs:{password}@127.0.0.1:{port}/absent"),
        format!("postgres://credentiald_runs:{password}@127.0.0.1:1/credentiald"),
        format!("postgres://credentiald_runs:{password}@127.0.0.1:{port}/credentiald?sslmode=verify-full"),
    ] {
        let error = open(&url, SETTINGS).await.expect_err(&url);
        assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(password.as_str()), "{error:?}");
    }
    assert!(!format!("{:?}", Url::parse(&cluster.url("credentiald")).unwrap()).contains(password.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_invalid_row_is_reported_and_not_shown() {
    for (statement, table) in [
        ("UPDATE tenant SET settings = 'secret'", "tenant"),
        ("UPDATE subject SET name = 'secret'", "subject"),
        ("UPDATE subject SET id = upper(id)", "subject"),
        ("UPDATE credential SET hash = 'secret!'", "credential"),
        ("UPDATE earlier_hash SET version = 9", "earlier hashes"),
        ("UPDATE pair_failures SET subject_key = '\\x00'", "pair_failures"),
        ("UPDATE subject_failures SET count = 9", "failures"),
        ("DELETE FROM subject_failures", "failures"),
        ("UPDATE access_token SET kind = 'ram-user'", "access_token"),
        ("UPDATE audit_event SET action = 'secret'", "audit_event"),
        ("UPDATE audit_event SET repeats = -1", "audit_event"),
        ("UPDATE audit_event SET repeated_since = NULL", "audit_event"),
    ] {
        let (cluster, database) = (shared().await, shared().await.new_store().await);
        let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
        let alice = alice(&store).await;
        make_change(&store, alice, 1).await;
        store.record_failure(&pair(1, 1), at(1), &limit(), &event()).await.unwrap();
        store.bootstrap(&token(operator()), &digest(1), &event()).await.unwrap();
        store.record(&repeated_refusal()).await.unwrap();
        let check = async || {
            postgres::check(&cluster.url_of("credentiald_runs", &database), None, Arc::new(SystemClock)).await.unwrap()
        };
        let sound = check().await;
        assert_eq!(sound.damages, Vec::<String>::new());
        assert!(sound.sound_rows > 8, "{sound:?}");
        let mut connection = cluster.connection(&database).await;
        sqlx::raw_sql("SET session_replication_role = replica").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let lines = check().await.damages.join("\n");
        assert!(lines.contains(table), "{statement}: {lines:?}");
        assert!(!lines.contains("secret"), "{lines}");
    }
}
