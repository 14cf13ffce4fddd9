//! The seam of `store::sql`, over PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgRow, Postgres};
use sqlx::{Column, Row as _};
use uuid::Uuid;

use super::errors;
use super::hosts::Hosts;
use super::values::{cell_of, query_of};
use crate::ports::{Clock, StoreError};
use crate::store::sql::{Database, Row, Statement, Transaction};

/// How long it takes until a connection is asked for again that could not be had.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A server that takes writes, and a few connections to it.
pub(super) struct PostgresDatabase(Arc<Shared>);

pub(super) struct Shared {
    pub(super) pool: PgPool,
    pub(super) hosts: Hosts,
    pub(super) clock: Arc<dyn Clock>,
    /// How long a connection is waited for, also through a failover.
    pub(super) patience: Duration,
    /// After how long a server that says nothing is given up.
    pub(super) answers_within: Duration,
    /// A connection was lost: the server that takes writes may be another one.
    pub(super) lost: AtomicBool,
}

impl PostgresDatabase {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    async fn session(&self) -> Result<Session, StoreError> {
        let connection = self.0.connection().await.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Session { shared: Arc::clone(&self.0), connection, is_lost: false })
    }

    async fn begin_by(&self, command: &'static str) -> Result<Box<dyn Transaction>, StoreError> {
        let mut session = self.session().await?;
        session.command(command).await.map_err(errors::of_statement)?;
        Ok(Box::new(Writing { session, state: State::Open, witness: None }))
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.session().await?.fetch(statement).await.map_err(errors::of_statement)
    }

    fn scan(&self, statement: Statement) -> BoxStream<'_, Result<Row, StoreError>> {
        let rows = query_of(statement).fetch(&self.0.pool);
        rows.map(|row| row.map(|row| row_of(&row, columns_of(&row))).map_err(errors::of_statement)).boxed()
    }

    /// Serializable, so that what is proven for writers that come one after the other holds for these as well.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.begin_by("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE").await
    }

    async fn begin_in_turn(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.begin_by("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await
    }

    async fn close(&self) {
        self.0.pool.close().await;
    }

    fn rows_of_json(&self) -> &'static str {
        "jsonb_array_elements(CAST($1 AS JSONB))"
    }

    fn place_of_row(&self) -> &'static str {
        "CAST(s.ctid AS TEXT)"
    }
}

impl Shared {
    /// A connection, as soon as one is to be had.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let until = self.clock.instant() + self.patience;
        loop {
            if self.lost.swap(false, Ordering::Relaxed) {
                self.hosts.follow(&self.pool).await;
            }
            let error = match self.pool.acquire().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            self.lost.store(true, Ordering::Relaxed);
            if matches!(error, sqlx::Error::PoolClosed) || self.clock.instant() >= until {
                return Err(error);
            }
            tracing::debug!(%error, "no connection to the store is to be had");
            tokio::time::sleep(ASKED_AGAIN_AFTER).await;
        }
    }

    /// Gives up the connections that nobody uses: they led where the lost one did.
    fn give_up_idle(&self) {
        self.lost.store(true, Ordering::Relaxed);
        while let Some(mut connection) = self.pool.try_acquire() {
            connection.close_on_drop();
        }
    }
}

/// A connection in use.
struct Session {
    shared: Arc<Shared>,
    connection: PoolConnection<Postgres>,
    is_lost: bool,
}

impl Session {
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, sqlx::Error> {
        let answer = query_of(statement).fetch_all(&mut *self.connection);
        let answer = within(self.shared.answers_within, answer).await;
        self.looked_at(answer).map(|found| rows_of(&found))
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        let answer = query_of(statement).execute(&mut *self.connection);
        let answer = within(self.shared.answers_within, answer).await;
        self.looked_at(answer).map(|done| done.rows_affected())
    }

    async fn command(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let answer = sqlx::raw_sql(text).execute(&mut *self.connection);
        let answer = within(self.shared.answers_within, answer).await;
        self.looked_at(answer).map(drop)
    }

    fn looked_at<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if answer.as_ref().is_err_and(errors::is_lost) {
            self.is_lost = true;
            self.connection.close_on_drop();
            self.shared.give_up_idle();
        }
        answer
    }
}

struct Writing {
    session: Session,
    state: State,
    witness: Option<Uuid>,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    /// A statement failed. `COMMIT` would say yes all the same, and roll back.
    Failed,
    Over,
}

#[async_trait]
impl Transaction for Writing {
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = self.session.execute(statement).await;
        self.looked_at(done)
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let found = self.session.fetch(statement).await;
        self.looked_at(found)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.state == State::Failed {
            self.roll_back().await;
            return Err(StoreError::Unavailable("a statement of the transaction failed".into()));
        }
        let committed = self.session.command("COMMIT").await;
        if committed.is_ok() {
            self.state = State::Over;
        }
        committed.map_err(errors::of_commit)
    }

    async fn roll_back(mut self: Box<Self>) {
        if !self.session.is_lost && self.session.command("ROLLBACK").await.is_ok() {
            self.state = State::Over;
        }
    }

    fn witness(&mut self) -> &mut Option<Uuid> {
        &mut self.witness
    }
}

impl Writing {
    fn looked_at<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        if answer.is_err() {
            self.state = State::Failed;
        }
        answer.map_err(errors::of_statement)
    }
}

impl Drop for Writing {
    /// A connection in the midst of a transaction is not for anybody else. The server ends what was begun on it.
    fn drop(&mut self) {
        if self.state != State::Over {
            self.session.connection.close_on_drop();
        }
    }
}

/// The answer, or that there was none in time.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(errors::overdue()))
}

/// Rows of one statement, which share their columns' names.
fn rows_of(found: &[PgRow]) -> Vec<Row> {
    let Some(first) = found.first() else { return Vec::new() };
    let columns = columns_of(first);
    found.iter().map(|row| row_of(row, Arc::clone(&columns))).collect()
}

fn columns_of(row: &PgRow) -> Arc<[String]> {
    row.columns().iter().map(|column| column.name().to_owned()).collect()
}

fn row_of(row: &PgRow, columns: Arc<[String]>) -> Row {
    let cells = (0..columns.len()).map(|column| cell_of(row, column)).collect();
    Row::new(columns, cells)
}
