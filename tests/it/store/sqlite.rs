//! SQLite as a backend of the laws.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use credentiald::ports::Store;
use credentiald::ports::store::StoredHashes;
use credentiald::store::{SqlStore, sqlite};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::backend::Backend;

pub struct SqliteBackend {
    store: SqlStore,
    directory: TempDir,
}

impl SqliteBackend {
    fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn fresh() -> Self {
        let directory = TempDir::new().unwrap();
        let store = sqlite::open(&directory.path().join("store.db")).await.unwrap();
        Self { store, directory }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn hashes(&self) -> Arc<dyn StoredHashes> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = sqlite::open(&self.path()).await.unwrap();
    }

    async fn audit_events(&self) -> Vec<Uuid> {
        let mut connection = connection_to(&self.path()).await;
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM audit_event ORDER BY number").fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }
}

/// A connection past the store, for what an operator or another program might do.
pub async fn connection_to(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// The id of the subject of that name, and its hash as it is stored.
pub async fn stored_hash(path: &Path, name: &str) -> (String, String) {
    let mut connection = connection_to(path).await;
    let select = "SELECT s.id, c.hash FROM subject s JOIN credential c ON c.subject_id = s.id WHERE s.name = $1";
    let found = sqlx::query_as(select).bind(name).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    found
}
