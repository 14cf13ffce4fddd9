//! What the role that runs the service may do with each table, however old the schema was when it got its privileges.

use std::collections::BTreeSet;
use std::fs;

use credentiald::store::postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::postgres::{SETTINGS, open};
use super::values::alice;
use crate::support::postgres::{Cluster, shared};

/// Tables of which it may not do everything: the log that proves what happened, and the number of the schema.
const PROTECTED: [(&str, &[&str]); 4] = [
    ("audit_checkpoint", &["SELECT", "INSERT", "DELETE"]),
    ("audit_cut", &["SELECT", "UPDATE"]),
    ("audit_event", &["SELECT", "INSERT", "DELETE"]),
    ("schema_migration", &["SELECT"]),
];
/// What the document said in earlier versions, without what it took away.
const BEFORE: &str = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO credentiald_runs";
const OTHERS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The migrations by their numbers.
fn migrations() -> Vec<(i64, String)> {
    let folder = format!("{}/src/store/postgres/migrations", env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name().unwrap().to_str().unwrap().split('_').next().unwrap().parse().unwrap();
            (number, fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// Makes a store of that schema, as its owner.
async fn make(cluster: &Cluster, database: &str, schema: i64) {
    cluster.run("postgres", &[format!("CREATE DATABASE {database} OWNER credentiald_migrates")]).await;
    let mut owner = PgConnection::connect(&cluster.url_as("credentiald_migrates", database)).await.unwrap();
    let numbers = "CREATE TABLE schema_migration (version BIGINT NOT NULL PRIMARY KEY)";
    sqlx::raw_sql(numbers).execute(&mut owner).await.unwrap();
    for (number, text) in migrations().into_iter().filter(|(number, _)| *number <= schema) {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut owner).await.unwrap();
        let insert = sqlx::query("INSERT INTO schema_migration (version) VALUES ($1)").bind(number);
        insert.execute(&mut owner).await.unwrap();
    }
    owner.close().await.unwrap();
}

async fn texts(connection: &mut PgConnection, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn no_migration_gives_away_more_than_the_document_says() {
    let cluster = shared().await;
    let schemas: Vec<_> = migrations().into_iter().map(|(number, _)| number).collect();
    assert!(schemas.len() > 5, "{schemas:?}");
    for schema in schemas {
        let database = format!("granted_at_{schema}");
        make(cluster, &database, schema).await;
        // The statements of the document name columns of schema 9. A store from before gets them again.
        if schema >= 9 {
            cluster.grant(&database).await;
        } else {
            cluster.run(&database, &[BEFORE]).await;
        }
        postgres::migrate(&cluster.url_of("credentiald_migrates", &database)).await.unwrap();
        if schema < 9 {
            cluster.grant(&database).await;
        }

        let mut connection = cluster.connection(&database).await;
        let tables = texts(&mut connection, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").await;
        let permitted = |table: &str| {
            let protected = PROTECTED.iter().find(|(protected, _)| *protected == table);
            protected.map_or(OTHERS, |(_, permitted)| permitted)
        };
        let expected: BTreeSet<_> = tables
            .iter()
            .flat_map(|table| permitted(table).iter().map(move |privilege| format!("{table} {privilege}")))
            .collect();
        let found = "SELECT t.tablename || ' ' || p FROM pg_tables t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', \
                     'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p WHERE t.schemaname = 'public' \
                     AND has_table_privilege('credentiald_runs', quote_ident(t.tablename), p)";
        let found: BTreeSet<_> = texts(&mut connection, found).await.into_iter().collect();
        assert_eq!(found, expected, "granted at schema {schema}");
        // Of the events of the audit log, one column.
        let columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'audit_event'::regclass AND attnum > 0 \
                       AND NOT attisdropped AND has_column_privilege('credentiald_runs', attrelid, attnum, 'UPDATE')";
        assert_eq!(texts(&mut connection, columns).await, ["position"], "granted at schema {schema}");
        connection.close().await.unwrap();
        alice(&open(&cluster.url(&database), SETTINGS).await.unwrap()).await;
    }
}
