//! Opens a store, and lists the reasons why that can fail.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;

use super::driver::PostgresDatabase;
use super::errors;
use super::hosts::{Hosts, NoneWritable};
use super::migrate::{not_newer, schema_of};
use super::pool::Pool;
use super::url::Url;
use crate::ports::{Clock, Entropy, Pepper};
use crate::store::KNOWN_SCHEMA;
use crate::store::sql::{self, CheckReport, Retries, SqlStore};

/// How much longer than the statement timeout to wait for an answer.
const ANSWER_TAKES: Duration = Duration::from_millis(500);

/// How to use the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Maximum number of connections.
    pub connections: u32,
    /// How long to keep retrying when no connection is available, one is lost, or transactions conflict.
    pub patience: Duration,
    /// Time limit for a statement, including its wait for locks.
    pub statement_timeout: Duration,
}

impl Settings {
    /// Time after which to give up on a silent server. Less than the patience, so that time is left to retry.
    pub(super) fn answers_within(&self) -> Duration {
        let limit = self.statement_timeout;
        if limit.is_zero() { Duration::MAX } else { limit + ANSWER_TAKES }
    }
}

/// Why opening a store failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server does not accept the connection.
    #[error("the database at {host} can't be used")]
    Unavailable {
        /// The host.
        host: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server answers, but is a standby.
    #[error("the database at {host} accepts no writes, and neither does any other host in the URL")]
    ReadOnly {
        /// The first host in the URL.
        host: String,
    },
    /// It holds no store.
    #[error("the database contains no store: run `credentiald migrate`")]
    Empty,
    /// A newer program has migrated it.
    #[error("the store has schema {found}, this program knows {KNOWN_SCHEMA}: use a newer program")]
    Newer {
        /// Its schema version.
        found: u32,
    },
    /// It was not migrated since the program was updated.
    #[error("the store has schema {found}, this program needs {KNOWN_SCHEMA}: run `credentiald migrate`")]
    Older {
        /// Its schema version.
        found: u32,
    },
    /// The user lacks a privilege that the operation needs.
    #[error("the database denies a privilege that the store needs")]
    Denied(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database returned another error.
    #[error("the database returned an error")]
    Failed(#[from] sqlx::Error),
}

/// Opens an existing store, which a migration made.
pub async fn open(
    url: &Url,
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<SqlStore, OpenError> {
    let database = connect(url, settings, &clock).await?;
    let retries = Retries { clock, entropy, patience: settings.patience };
    Ok(SqlStore::new(Arc::new(database), Some(Arc::new(retries))))
}

/// Reads everything in the store and reports damage. Changes nothing. With a pepper, opens every wrapped hash.
pub async fn check(url: &Url, pepper: Option<&dyn Pepper>, clock: Arc<dyn Clock>) -> Result<CheckReport, OpenError> {
    // One statement reads a whole table, however long that takes.
    let patience = Duration::from_secs(1);
    let settings = Settings { connections: 1, patience, statement_timeout: Duration::ZERO };
    let database = connect(url, settings, &clock).await?;
    let mut report = CheckReport::default();
    sql::check(&database, pepper, &mut report).await;
    Ok(report)
}

async fn connect(url: &Url, settings: Settings, clock: &Arc<dyn Clock>) -> Result<PostgresDatabase, OpenError> {
    let hosts = Hosts::of(url);
    let (mut connection, _) = hosts.connect().await?;
    let found = schema_of(&mut connection).await.map_err(OpenError::of_migration)?;
    match not_newer(found)? {
        0 => return Err(OpenError::Empty),
        found if found < KNOWN_SCHEMA => return Err(OpenError::Older { found }),
        _ => {}
    }
    connection.close().await?;
    Ok(PostgresDatabase::new(Pool::new(hosts, settings, Arc::clone(clock))))
}

impl OpenError {
    pub(super) fn of_migration(error: sqlx::Error) -> Self {
        if errors::is_denied(&error) { Self::Denied(Box::new(error)) } else { Self::Failed(error) }
    }
}

impl From<NoneWritable> for OpenError {
    fn from(NoneWritable { host, error }: NoneWritable) -> Self {
        let host = host.to_string();
        match error {
            Some(error) => Self::Unavailable { host, source: Box::new(error) },
            None => Self::ReadOnly { host },
        }
    }
}
