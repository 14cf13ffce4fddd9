//! A few connections to the server that takes writes, kept for whoever comes next.
//!
//! The pool is not the driver's own: that one asks each connection that comes back whether it is still there, and waits
//! for the answer for as long as TCP does, where a server has fallen silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

use super::errors;
use super::hosts::{CONNECTED_WITHIN, Hosts, NoneWritable};
use super::open::Settings;
use crate::ports::Clock;

/// How long an attempt may take to connect, a wait for whoever looks for the server included.
const ATTEMPT: Duration = CONNECTED_WITHIN.saturating_mul(2);
/// How long it takes until a connection is asked for again that could not be had.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What was not used for so long is not used again: something in between may have forgotten it.
const IDLE: Duration = Duration::from_mins(5);

/// The connections of a store.
pub(super) struct Pool {
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    hosts: Hosts,
    places: Arc<Semaphore>,
    /// The one that was used last comes last.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// A place among the connections in use, until it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// Why no connection is to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    #[error("all connections to the database are in use")]
    AllInUse,
    #[error("no connection to the database could be had in time")]
    InTime,
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    NoneWritable(#[from] NoneWritable),
}

impl Pool {
    pub(super) fn new(hosts: Hosts, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let places = Arc::new(Semaphore::new(usize::try_from(settings.connections).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { hosts, settings, clock, places, idle: Mutex::default() }
    }

    /// A connection, as soon as one is to be had, also through a failover. It is nobody else's while the place is held.
    pub(super) async fn take(&self) -> Result<(PgConnection, Place), NoConnection> {
        let until = self.clock.instant() + self.settings.patience;
        let place = match timeout_at(until.into(), Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(NoConnection::Closed),
            Err(_) => return Err(NoConnection::AllInUse),
        };
        if let Some(connection) = self.take_idle() {
            return Ok((connection, place));
        }
        loop {
            let connected = timeout(ATTEMPT, self.connect()).await;
            let error = match connected.unwrap_or(Err(NoConnection::InTime)) {
                Ok(connection) => return Ok((connection, place)),
                Err(error) => error,
            };
            if self.clock.instant() >= until {
                return Err(error);
            }
            tracing::debug!(%error, "no connection to the store is to be had");
            tokio::time::sleep(ASKED_AGAIN_AFTER).await;
        }
    }

    /// Keeps a connection on which nothing is going on.
    pub(super) fn put_back(&self, connection: PgConnection, place: Place) {
        self.idle().push(Idle { connection, since: self.clock.instant() });
        drop(place);
    }

    /// Gives up the connections that nobody uses: they lead where a lost one did.
    pub(super) fn give_up(&self) {
        self.hosts.lose();
        self.idle().clear();
    }

    /// Waits for the connections that are in use, and closes them all.
    pub(super) async fn close(&self) {
        let _all = self.places.acquire_many(self.settings.connections).await;
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for Idle { connection, .. } in idle {
            // Whoever does not listen need not be told.
            let _ = timeout(CONNECTED_WITHIN, connection.close()).await;
        }
    }

    fn take_idle(&self) -> Option<PgConnection> {
        let mut idle = self.idle();
        let last = idle.pop()?;
        if self.clock.instant().saturating_duration_since(last.since) < IDLE {
            return Some(last.connection);
        }
        idle.clear();
        None
    }

    async fn connect(&self) -> Result<PgConnection, NoConnection> {
        let (mut connection, host) = self.hosts.connect().await?;
        let limited = timeout(CONNECTED_WITHIN, limit(&mut connection, self.settings.statement_timeout)).await;
        match limited.unwrap_or_else(|_| Err(errors::overdue())) {
            Ok(()) => Ok(connection),
            Err(error) => {
                self.hosts.lose();
                Err(NoneWritable { host, error: Some(error) }.into())
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the limits of a session. A commit is durable here before it is confirmed, whatever the database's default.
async fn limit(connection: &mut PgConnection, statement_timeout: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $1, false),
             set_config('idle_in_transaction_session_timeout', $1, false),
             CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
                  THEN set_config('synchronous_commit', 'on', false) END",
    )
    .bind(format!("{}ms", statement_timeout.as_millis()))
    .persistent(false)
    .execute(connection)
    .await
    .map(drop)
}
