//! PostgreSQL as a backend of the laws.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::ports::Store;
use credentiald::ports::store::StoredHashes;
use credentiald::store::SqlStore;
use credentiald::store::postgres::{self, OpenError, Settings, Url};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::backend::Backend;
use crate::support::postgres::{Cluster, shared};

pub const SETTINGS: Settings =
    Settings { connections: 8, patience: Duration::from_secs(30), statement_timeout: Duration::from_secs(30) };

pub struct PostgresBackend {
    store: SqlStore,
    cluster: &'static Cluster,
    database: String,
}

#[async_trait]
impl Backend for PostgresBackend {
    async fn fresh() -> Self {
        let cluster = shared().await;
        let database = cluster.new_store().await;
        let store = open(&cluster.url(&database), SETTINGS).await.unwrap();
        Self { store, cluster, database }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn hashes(&self) -> Arc<dyn StoredHashes> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = open(&self.cluster.url(&self.database), SETTINGS).await.unwrap();
    }

    async fn try_statement(&self, statement: &'static str) -> Result<(), String> {
        let mut connection = PgConnection::connect(&self.cluster.url(&self.database)).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.map(drop).map_err(|error| error.to_string())
    }

    async fn audit_events(&self) -> Vec<Uuid> {
        audit_events(self.cluster, &self.database).await
    }
}

/// Opens a store.
pub async fn open(url: &str, settings: Settings) -> Result<SqlStore, OpenError> {
    postgres::open(&Url::parse(url).unwrap(), settings, Arc::new(SystemClock), Arc::new(SystemEntropy)).await
}

/// The ids of the audit events, in the order in which they were committed.
pub async fn audit_events(cluster: &Cluster, database: &str) -> Vec<Uuid> {
    let mut connection = cluster.connection(database).await;
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM audit_event ORDER BY pg_xact_commit_timestamp(xmin), ctid")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    connection.close().await.unwrap();
    ids.iter().map(|id| id.parse().unwrap()).collect()
}
