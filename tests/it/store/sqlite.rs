//! SQLite as a backend of the laws.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use credentiald::ports::Store;
use credentiald::ports::store::StoredHashes;
use credentiald::store::{SqlStore, sqlite};
use rusqlite::Connection;
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

    async fn try_statement(&self, statement: &'static str) -> Result<(), String> {
        connection_to(&self.path()).execute_batch(statement).map_err(|error| error.to_string())
    }

    async fn audit_events(&self) -> Vec<Uuid> {
        let connection = connection_to(&self.path());
        let mut select = connection.prepare("SELECT id FROM audit_event ORDER BY number").unwrap();
        let ids = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        ids.map(|id| id.unwrap().parse().unwrap()).collect()
    }
}

/// A connection past the store, for what an operator or another program might do.
pub fn connection_to(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// Runs SQL past the store.
pub fn tamper(path: &Path, statements: &str) {
    connection_to(path).execute_batch(statements).unwrap();
}

/// The id of the subject of that name, and its hash as it is stored.
pub fn stored_hash(path: &Path, name: &str) -> (String, String) {
    let select = "SELECT s.id, c.hash FROM subject s JOIN credential c ON c.subject_id = s.id WHERE s.name = $1";
    connection_to(path).query_row(select, [name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The flags stand in `.cargo/config.toml`, all in one line. SQLite does not tell the one for `fdatasync`.
#[test]
fn sqlite_is_built_with_our_flags() {
    let connection = Connection::open_in_memory().unwrap();
    let mut options = connection.prepare("PRAGMA compile_options").unwrap();
    let options = options.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<Vec<String>>>().unwrap();
    assert!(options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"), "{options:?}");
    assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}
