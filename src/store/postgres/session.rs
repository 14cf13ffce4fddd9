//! A connection in use.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, SqlSafeStr};
use tokio::sync::mpsc::Sender;
use tokio::time::{timeout, timeout_at};

use super::errors;
use super::pool::{Kept, NoConnection, Place, Pool, Use};
use super::values::{insertion_of, query_of};
use crate::ports::Deadline;
use crate::store::sql::{Insertion, MeasuredStatement, Statement};

/// Its name in traces, as the semantic conventions of OpenTelemetry write it.
pub(super) const SYSTEM: &str = "postgresql";

/// A connection in use. Dropping it closes the connection, and the server ends whatever is running on it: a connection
/// with an unfinished operation is never reused.
pub(super) struct Session {
    pool: Arc<Pool>,
    kept: Kept,
    place: Place,
    /// After this time the caller no longer waits for an answer.
    deadline: Option<Deadline>,
    is_lost: bool,
}

impl Session {
    /// Takes a connection as soon as one is available before the deadline.
    pub(super) async fn begin(pool: &Arc<Pool>, to: Use, deadline: Option<Deadline>) -> Result<Self, NoConnection> {
        let (kept, place) = match deadline {
            Some(deadline) => {
                timeout_at(deadline.instant().into(), pool.take(to)).await.unwrap_or(Err(NoConnection::InTime))?
            }
            None => pool.take(to).await?,
        };
        Ok(Self { pool: Arc::clone(pool), kept, place, deadline, is_lost: false })
    }

    /// Returns the connection to the pool, unless it is lost.
    pub(super) fn give_back(self) {
        if !self.is_lost {
            self.pool.put_back(self.kept, self.place);
        }
    }

    pub(super) async fn fetch(&mut self, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        let measured = MeasuredStatement::begin(SYSTEM, &statement.text);
        let limit = self.limit();
        let answer = within(limit, query_of(statement).fetch_all(&mut self.kept.connection)).await;
        self.looked_at(measured.end(answer))
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        let measured = MeasuredStatement::begin(SYSTEM, &statement.text);
        self.run(query_of(statement), measured).await
    }

    pub(super) async fn insert(&mut self, insertion: Insertion) -> Result<(), sqlx::Error> {
        let measured = MeasuredStatement::insertion(SYSTEM, &insertion);
        self.run(insertion_of(insertion), measured).await.map(drop)
    }

    async fn run(
        &mut self,
        query: Query<'static, Postgres, PgArguments>,
        measured: MeasuredStatement,
    ) -> Result<u64, sqlx::Error> {
        let limit = self.limit();
        let answer = within(limit, query.execute(&mut self.kept.connection)).await;
        self.looked_at(measured.end(answer)).map(|done| done.rows_affected())
    }

    /// Begins or ends a transaction with that text.
    pub(super) async fn command(
        &mut self,
        name: &'static str,
        text: impl SqlSafeStr + Send,
    ) -> Result<(), sqlx::Error> {
        let measured = MeasuredStatement::command(SYSTEM, name);
        let limit = self.limit();
        let answer = within(limit, sqlx::raw_sql(text).execute(&mut self.kept.connection)).await;
        self.looked_at(measured.end(answer)).map(drop)
    }

    /// Streams the rows of a statement for as long as the receiver takes them.
    pub(super) async fn send(mut self, statement: Statement, rows: Sender<Result<PgRow, sqlx::Error>>) {
        let limit = self.limit();
        let mut found = query_of(statement).fetch(&mut self.kept.connection);
        loop {
            let next = async { found.next().await.transpose() };
            let Some(row) = within(limit, next).await.transpose() else { break };
            let is_over = row.is_err();
            if rows.send(row).await.is_err() || is_over {
                return;
            }
        }
        drop(found);
        self.give_back();
    }

    fn looked_at<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if answer.as_ref().is_err_and(errors::is_lost) {
            self.is_lost = true;
            // If it was the caller's deadline that passed, nothing is known about the server.
            if !self.left().is_some_and(|left| left.is_zero()) {
                self.pool.give_up();
            }
        }
        answer
    }

    /// How long the server may wait for a lock: less long than the caller waits for the answer. So the caller learns that
    /// nothing was changed, and nothing is changed once it has gone. Zero is without a limit.
    pub(super) fn waits_for_locks(&self) -> Duration {
        let limit = self.pool.settings.statement_timeout;
        let before = |left: Duration| left.saturating_sub(left / 10).max(Duration::from_millis(1));
        match self.left().map(before) {
            Some(left) if limit.is_zero() => left,
            Some(left) => left.min(limit),
            None => limit,
        }
    }

    /// Time limit for an answer.
    fn limit(&self) -> Duration {
        let limit = self.pool.settings.answers_within();
        self.left().map_or(limit, |left| left.min(limit))
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.remaining(self.pool.clock.instant()))
    }
}

/// The answer, or an error if it did not come in time.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(errors::overdue()))
}
