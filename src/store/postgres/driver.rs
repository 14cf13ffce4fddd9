//! The database interface of `store::sql`, implemented for PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryFutureExt};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, Row as _};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::combined::{apart, counts_of, lock_of, side_by_side, steps_in_one};
use super::errors;
use super::pool::{Pool, Use};
use super::session::{SYSTEM, Session};
use super::values::cell_of;
use crate::ports::{Deadline, StoreError};
use crate::store::sql::{
    Columns, Database, Insertion, Isolation, Row, RowsOfKeys, Statement, StepKind, Steps, Transaction,
};

/// Number of scanned rows to buffer for a slow reader.
const SCANNED_AHEAD: usize = 256;

/// A server that takes writes, and a few connections to it.
pub(super) struct PostgresDatabase(Arc<Pool>);

impl PostgresDatabase {
    pub(super) fn new(pool: Pool) -> Self {
        Self(Arc::new(pool))
    }

    async fn session(&self, to: Use, deadline: Option<Deadline>) -> Result<Session, StoreError> {
        Session::begin(&self.0, to, deadline).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn read(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, StoreError> {
        let asked = match statements {
            [statement] => statement.clone(),
            _ => side_by_side(statements),
        };
        let takes_long = statements.iter().any(|statement| statement.takes_long);
        let mut session = self.session(if takes_long { Use::Scans } else { Use::Reads }, None).await?;
        let found = session.fetch(asked).await;
        session.give_back();
        let found = found.map_err(errors::of_statement)?;
        Ok(if statements.len() == 1 { vec![rows_of(&found)] } else { apart(&found, statements.len()) })
    }

    async fn write(&self, steps: &Steps, deadline: Option<Deadline>) -> Result<Vec<u64>, StoreError> {
        let mut session = self.session(Use::Writes, deadline).await?;
        let done = session.fetch(steps_in_one(steps, session.waits_for_locks())).await;
        session.give_back();
        let done = done.map_err(errors::at_end)?;
        Ok(done.first().map(counts_of).unwrap_or_default())
    }

    fn scan(&self, statement: Statement) -> BoxStream<'_, Result<Row, StoreError>> {
        let (sender, rows) = mpsc::channel(SCANNED_AHEAD);
        let scanned = |session: Session| {
            tokio::spawn(session.send(statement, sender));
            stream::unfold(rows, |mut rows| async { Some((scanned(rows.recv().await?), rows)) })
        };
        self.session(Use::Scans, None).map_ok(scanned).try_flatten_stream().boxed()
    }

    async fn begin(
        &self,
        isolation: Isolation,
        deadline: Option<Deadline>,
    ) -> Result<Box<dyn Transaction>, StoreError> {
        let mut session = self.session(Use::Writes, deadline).await?;
        let isolation = match isolation {
            Isolation::Serializable => "SERIALIZABLE",
            Isolation::InTurn => "READ COMMITTED",
        };
        let begin = format!(
            "BEGIN ISOLATION LEVEL {isolation} READ WRITE; SET LOCAL lock_timeout = {}",
            session.waits_for_locks().as_millis()
        );
        session.command("BEGIN", AssertSqlSafe(begin)).await.map_err(errors::of_statement)?;
        Ok(Box::new(WriteTransaction { session, has_failed: false, recorded: Vec::new() }))
    }

    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn connections(&self) -> (usize, usize) {
        self.0.connections()
    }

    async fn close(&self) {
        self.0.close().await;
    }

    fn rows_of_json(&self) -> &'static str {
        "jsonb_array_elements(CAST($1 AS JSONB))"
    }

    fn rows_of_keys(&self) -> RowsOfKeys {
        RowsOfKeys {
            subject: "LATERAL (SELECT k.*) s ON TRUE",
            credential: "LATERAL (SELECT k.*) c ON TRUE",
            earlier_hash: "earlier_hash e ON e.subject_id = c.subject_id",
            access_token: "LATERAL (SELECT k.*) a ON TRUE",
            // `OFFSET` keeps it apart: with statistics from before an import, the planner would read the whole table.
            subject_named: "LATERAL (SELECT * FROM subject n WHERE n.tenant = r.value ->> 1 AND n.kind = r.value ->> 2 \
                            AND coalesce(n.instance, '') = r.value ->> 3 AND n.name = r.value ->> 4 OFFSET 0) s ON TRUE",
        }
    }

    fn place_of_row(&self) -> &'static str {
        "CAST(s.ctid AS TEXT)"
    }
}

struct WriteTransaction {
    session: Session,
    /// A statement failed. `COMMIT` would report success all the same, but roll back.
    has_failed: bool,
    recorded: Vec<Uuid>,
}

#[async_trait]
impl Transaction for WriteTransaction {
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = self.session.execute(statement).await;
        self.looked_at(done)
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let found = self.session.fetch(statement).await;
        self.looked_at(found).map(|found| rows_of(&found))
    }

    async fn insert(&mut self, insertion: Insertion) -> Result<(), StoreError> {
        if insertion.rows.is_empty() {
            return Ok(());
        }
        let done = self.session.insert(insertion).await;
        self.looked_at(done)
    }

    fn for_update(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn lock_of(&self, kind: StepKind) -> &'static str {
        lock_of(kind)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.has_failed {
            self.roll_back().await?;
            return Err(StoreError::Unavailable("a statement of the transaction failed".into()));
        }
        self.session.command("COMMIT", "COMMIT").await.map_err(errors::at_end)?;
        self.session.give_back();
        Ok(())
    }

    async fn roll_back(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.session.command("ROLLBACK", "ROLLBACK").await.is_ok() {
            self.session.give_back();
        }
        Ok(())
    }

    fn recorded(&mut self) -> &mut Vec<Uuid> {
        &mut self.recorded
    }
}

impl WriteTransaction {
    fn looked_at<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        self.has_failed |= answer.is_err();
        answer.map_err(errors::of_statement)
    }
}

fn scanned(row: Result<PgRow, sqlx::Error>) -> Result<Row, StoreError> {
    row.map(|row| row_of(&row, columns_of(&row))).map_err(errors::of_statement)
}

/// The rows of one statement, which share their column names.
fn rows_of(found: &[PgRow]) -> Vec<Row> {
    let Some(first) = found.first() else { return Vec::new() };
    let columns = columns_of(first);
    found.iter().map(|row| row_of(row, columns.clone())).collect()
}

fn columns_of(row: &PgRow) -> Columns {
    row.columns().iter().map(Column::name).collect()
}

fn row_of(row: &PgRow, columns: Columns) -> Row {
    let cells = (0..row.len()).map(|column| cell_of(row, column)).collect();
    Row::new(columns, cells)
}
