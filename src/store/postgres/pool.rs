//! Connection pool: a few connections to the server that takes writes, kept for reuse.
//!
//! Not the driver's pool: that one pings each connection that is returned and, if the server has fallen silent, waits
//! for the answer as long as TCP does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, Retryable};
use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

use super::errors;
use super::hosts::{CONNECTED_WITHIN, Hosts, NoneWritable};
use super::open::Settings;
use crate::ports::{Clock, retries};

/// Time limit for one attempt to connect, including the wait for another search for the server.
const ATTEMPT: Duration = CONNECTED_WITHIN.saturating_mul(2);
/// A connection that was idle for this long is not reused: a device in between may have forgotten it.
const IDLE: Duration = Duration::from_mins(5);
/// A connection that was idle for this long has to answer before a write is sent on it, for the write's outcome would be
/// unknown if it turned out that the server is gone.
const RESTED: Duration = Duration::from_secs(1);

/// The connections of a store.
pub(super) struct Pool {
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    hosts: Hosts,
    places: Arc<Semaphore>,
    /// The most recently used one is last.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    kept: Kept,
    since: Instant,
}

/// A connection, and how a statement runs on it that is a transaction of its own.
pub(super) struct Kept {
    pub(super) connection: PgConnection,
    is_serializable: bool,
}

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Short statements that see what was committed before them. A connection for writes does for them as well.
    Reads,
    /// Long statements that see what was committed before them. As serializable transactions, they would stand in the way
    /// of writers.
    Scans,
    /// Serializable transactions.
    Writes,
}

impl Kept {
    /// Makes it ready for a use, after it was idle since then.
    async fn prepare(&mut self, to: Use, is_rested: bool) -> Result<(), sqlx::Error> {
        let is_wrong = self.is_serializable != to.is_serializable();
        let ready = async {
            if is_wrong && to != Use::Reads {
                let set = sqlx::query("SELECT set_config('default_transaction_isolation', $1, false)");
                set.bind(to.isolation()).execute(&mut self.connection).await?;
                self.is_serializable = to.is_serializable();
            } else if is_rested && to == Use::Writes {
                self.connection.ping().await?;
            }
            Ok(())
        };
        timeout(CONNECTED_WITHIN, ready).await.unwrap_or_else(|_| Err(errors::overdue()))
    }
}

impl Use {
    fn is_serializable(self) -> bool {
        self == Self::Writes
    }

    fn isolation(self) -> &'static str {
        if self.is_serializable() { "serializable" } else { "read committed" }
    }
}

/// A place among the connections in use, until it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// Why no connection is available.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    #[error("all connections to the database are in use")]
    AllInUse,
    #[error("no database connection was available in time")]
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

    /// Takes a connection as soon as one is available, even across a failover. No other caller has it while the place
    /// is held.
    pub(super) async fn take(&self, to: Use) -> Result<(Kept, Place), NoConnection> {
        let until = self.clock.instant() + self.settings.patience;
        let place = match timeout_at(until.into(), Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(NoConnection::Closed),
            Err(_) => return Err(NoConnection::AllInUse),
        };
        if let Some(Idle { mut kept, since }) = self.take_idle(to) {
            let is_rested = self.clock.instant().saturating_duration_since(since) >= RESTED;
            match kept.prepare(to, is_rested).await {
                Ok(()) => return Ok((kept, place)),
                Err(_) => self.give_up(),
            }
        }
        let connect = || async { timeout(ATTEMPT, self.connect(to)).await.unwrap_or(Err(NoConnection::InTime)) };
        let pauses = retries::until(retries::CONNECTION.build(), &*self.clock, until);
        let report = |error: &NoConnection, _| tracing::debug!(%error, "no store connection is available");
        Ok((connect.retry(pauses).sleep(tokio::time::sleep).notify(report).await?, place))
    }

    /// Puts back a connection on which nothing is running.
    pub(super) fn put_back(&self, kept: Kept, place: Place) {
        self.idle.lock().push(Idle { kept, since: self.clock.instant() });
        drop(place);
    }

    /// Drops the idle connections, because they lead to the same server as a lost one.
    pub(super) fn give_up(&self) {
        self.hosts.lose();
        self.idle.lock().clear();
    }

    /// The number of connections in use, or being made, and of those that are kept.
    pub(super) fn connections(&self) -> (usize, usize) {
        let places = usize::try_from(self.settings.connections).unwrap_or(Semaphore::MAX_PERMITS);
        (places.saturating_sub(self.places.available_permits()), self.idle.lock().len())
    }

    /// Waits for the connections that are in use, and closes them all.
    pub(super) async fn close(&self) {
        let _all = self.places.acquire_many(self.settings.connections).await;
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for Idle { kept, .. } in idle {
            // A server that does not listen need not be notified.
            let _ = timeout(CONNECTED_WITHIN, kept.connection.close()).await;
        }
    }

    /// The last of those that were used alike, or of the others if there is no room for one more.
    fn take_idle(&self, to: Use) -> Option<Idle> {
        let mut idle = self.idle.lock();
        let oldest = self.clock.instant().checked_sub(IDLE);
        idle.retain(|idle| oldest.is_none_or(|oldest| idle.since > oldest));
        if let Some(place) = idle.iter().rposition(|idle| idle.kept.is_serializable == to.is_serializable()) {
            return Some(idle.remove(place));
        }
        // The caller's place is not available.
        if idle.len() > self.places.available_permits() { idle.pop() } else { None }
    }

    async fn connect(&self, to: Use) -> Result<Kept, NoConnection> {
        let (mut connection, host) = self.hosts.connect().await?;
        let limited = timeout(CONNECTED_WITHIN, limit(&mut connection, to, self.settings.statement_timeout)).await;
        match limited.unwrap_or_else(|_| Err(errors::overdue())) {
            Ok(()) => Ok(Kept { connection, is_serializable: to.is_serializable() }),
            Err(error) => {
                self.hosts.lose();
                Err(NoneWritable { host, error: Some(error) }.into())
            }
        }
    }
}

/// Sets the limits of a session. Every statement finds its rows by an index, also while the server takes a table for small: an
/// import makes it large before the server notices. Commits are durable before they are confirmed, whatever the database's
/// default.
async fn limit(connection: &mut PgConnection, to: Use, statement_timeout: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $1, false),
             set_config('idle_in_transaction_session_timeout', $1, false),
             set_config('default_transaction_isolation', $2, false),
             set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),
             CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
                  THEN set_config('synchronous_commit', 'on', false) END",
    )
    .bind(format!("{}ms", statement_timeout.as_millis()))
    .bind(to.isolation())
    .persistent(false)
    .execute(connection)
    .await
    .map(drop)
}
