//! The embedded store: SQLite, one file, one writer at a time.

mod attempts;
mod audit;
mod check;
mod connect;
mod credentials;
mod directory;
mod errors;
mod hashes;
mod header;
mod migrate;
mod open;
mod rows;
mod settings;
mod tokens;

use sqlx::{Sqlite, SqlitePool, Transaction};

pub use check::CheckReport;
pub use migrate::Migrated;
pub use open::OpenError;

use crate::ports::StoreError;

/// The embedded store. Clones share its connections.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    readers: SqlitePool,
    /// One connection: whoever writes next waits for it, and not within the database file's lock.
    writer: SqlitePool,
}

impl SqliteStore {
    /// Tells whether the store answers, by reading from it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT name FROM tenant LIMIT 1").fetch_optional(&self.readers).await?;
        Ok(())
    }

    /// Waits for what is under way, moves everything into the database file and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        // Where this fails, or never runs, the next opening finds everything in the write-ahead log.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        self.writer.close().await;
    }

    /// Begins a transaction that writes. `IMMEDIATE`, because a plain `BEGIN` that reads first and writes later fails
    /// at once when somebody else wrote in between, whatever the busy timeout (SQLite documentation, "Isolation").
    async fn begin(&self) -> Result<Writing, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// A transaction that writes; dropped, it changes nothing.
type Writing = Transaction<'static, Sqlite>;

/// Commits. Once this is `Ok`, it is durable.
async fn finish(transaction: Writing) -> Result<(), StoreError> {
    transaction.commit().await.map_err(errors::at_commit)
}
