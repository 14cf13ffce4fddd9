//! Opening a store, and every reason not to.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use super::driver::{PostgresDatabase, Shared};
use super::errors;
use super::hosts::{Hosts, NoneWritable, is_read_only};
use super::migrate::{not_newer, schema_of};
use super::url::Url;
use crate::ports::{Clock, Entropy, Pepper};
use crate::store::KNOWN_SCHEMA;
use crate::store::sql::{self, CheckReport, Retries, SqlStore};

/// How long one waits for a free connection or a server before looking for another server.
const ASKED_FOR: Duration = Duration::from_secs(1);
/// What is not used for so long is closed, before something in between forgets it.
const IDLE: Duration = Duration::from_mins(5);
/// How much longer than a statement may take its answer is waited for.
const ANSWER_TAKES: Duration = Duration::from_secs(2);

/// How the database is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many connections there are at most.
    pub connections: u32,
    /// How long one goes on where a connection can't be had or is lost, or others come in between.
    pub patience: Duration,
    /// How long a statement may take, its wait for locks included.
    pub statement_timeout: Duration,
}

/// Why a store is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server does not let us in.
    #[error("the database at {host} can't be used")]
    Unavailable {
        /// Which.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server answers, but is a standby.
    #[error("the database at {host} takes no writes, nor does any other that the URL names")]
    ReadOnly {
        /// The first that the URL names.
        host: String,
    },
    /// It holds no store.
    #[error("the database holds no store: run `credentiald migrate`")]
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
    /// The user may not do what has to be done.
    #[error("the database denies what the store needs")]
    Denied(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something went wrong on the way.
    #[error("the database gave an error")]
    Failed(#[from] sqlx::Error),
}

/// Opens the store that a migration made there.
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

/// Reads everything in the store and tells what is damaged. Changes nothing. With a pepper, opens every wrapped hash.
pub async fn check(url: &Url, pepper: Option<&dyn Pepper>, clock: Arc<dyn Clock>) -> Result<CheckReport, OpenError> {
    // A table is read by one statement, however long it is.
    let settings = Settings { connections: 1, patience: Duration::ZERO, statement_timeout: Duration::ZERO };
    let database = connect(url, settings, &clock).await?;
    let mut report = CheckReport::default();
    sql::check(&database, pepper, &mut report).await;
    Ok(report)
}

async fn connect(url: &Url, settings: Settings, clock: &Arc<dyn Clock>) -> Result<PostgresDatabase, OpenError> {
    let hosts = Hosts::of(url);
    let (mut connection, options) = hosts.connect().await?;
    let found = schema_of(&mut connection).await.map_err(OpenError::of_migration)?;
    match not_newer(found)? {
        0 => return Err(OpenError::Empty),
        found if found < KNOWN_SCHEMA => return Err(OpenError::Older { found }),
        _ => {}
    }
    let limit = settings.statement_timeout;
    Ok(PostgresDatabase::new(Shared {
        pool: pool(settings, options),
        hosts,
        clock: Arc::clone(clock),
        patience: settings.patience,
        answers_within: if limit.is_zero() { Duration::MAX } else { limit + ANSWER_TAKES },
        lost: AtomicBool::new(false),
    }))
}

fn pool(settings: Settings, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(settings.connections)
        .acquire_timeout(ASKED_FOR)
        .idle_timeout(IDLE)
        // What fails is done again on another connection: that is cheaper than to ask each time.
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(prepare(connection, settings.statement_timeout)))
        .connect_lazy_with(options)
}

/// Sets the limits of a session, and refuses one that takes no writes: what it reads may be old.
///
/// A commit is durable here before it is confirmed, whatever the database's default.
async fn prepare(connection: &mut PgConnection, statement_timeout: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $1, false),
             set_config('idle_in_transaction_session_timeout', $1, false),
             CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
                  THEN set_config('synchronous_commit', 'on', false) END",
    )
    .bind(format!("{}ms", statement_timeout.as_millis()))
    .persistent(false)
    .execute(&mut *connection)
    .await?;
    if is_read_only(connection).await? {
        return Err(sqlx::Error::Protocol("the server takes no writes".to_owned()));
    }
    Ok(())
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
