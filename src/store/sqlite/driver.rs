//! The seam of `store::sql`, over SQLite.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Row as _, Sqlite, SqlitePool, TypeInfo, ValueRef};
use uuid::Uuid;

use super::errors;
use super::readers::Readers;
use crate::ports::StoreError;
use crate::store::sql::{Database, Row, Statement, Transaction, Value};

/// One file, one writer at a time.
pub(super) struct SqliteDatabase {
    /// Absent where somebody only looks on.
    pub(super) readers: Option<Readers>,
    /// For reading that takes long, or has to wait for somebody's lock: each of these has a thread of its own.
    pub(super) patient_readers: SqlitePool,
    /// One connection: whoever writes next waits for it, and not within the database file's lock.
    pub(super) writer: SqlitePool,
}

impl SqliteDatabase {
    /// Begins a transaction that writes. `IMMEDIATE`, because a plain `BEGIN` that reads first and writes later fails
    /// at once when somebody else wrote in between, whatever the busy timeout (SQLite documentation, "Isolation").
    pub(super) async fn begin_writing(&self) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        // Reading never waits, so that who reads again and again has to give way to others now and then.
        tokio::task::coop::consume_budget().await;
        let read = self.readers.as_ref().map(|readers| readers.read(&statement)).transpose()?;
        match read.flatten() {
            Some(rows) => Ok(rows),
            None => Ok(rows_of(&query_of(statement).fetch_all(&self.patient_readers).await?)),
        }
    }

    fn scan(&self, statement: Statement) -> BoxStream<'_, Result<Row, StoreError>> {
        let rows = query_of(statement).fetch(&self.patient_readers);
        rows.map(|row| row.map(|row| row_of(&row, columns_of(&row))).map_err(Into::into)).boxed()
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(Writing { transaction: self.begin_writing().await?, witness: None }))
    }

    /// Moves everything into the database file as well.
    async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close();
        }
        self.patient_readers.close().await;
        // Where this fails, or never runs, the next opening finds everything in the write-ahead log.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        self.writer.close().await;
    }

    fn rows_of_json(&self) -> &'static str {
        "json_each($1)"
    }

    fn place_of_row(&self) -> &'static str {
        "CAST(s.rowid AS TEXT)"
    }
}

struct Writing {
    transaction: sqlx::Transaction<'static, Sqlite>,
    witness: Option<Uuid>,
}

#[async_trait]
impl Transaction for Writing {
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        Ok(query_of(statement).execute(&mut *self.transaction).await?.rows_affected())
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        Ok(rows_of(&query_of(statement).fetch_all(&mut *self.transaction).await?))
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(errors::at_commit)
    }

    async fn roll_back(self: Box<Self>) {
        // Where this fails, SQLite has done it, or does it when the connection is closed.
        let _ = self.transaction.rollback().await;
    }

    fn witness(&mut self) -> &mut Option<Uuid> {
        &mut self.witness
    }
}

fn query_of(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    let query = match statement.text {
        Cow::Borrowed(text) => sqlx::query(text),
        // `Statement` sees to it that the text holds constants only.
        Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
    };
    statement.values.into_iter().fold(query, |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

/// Rows of one statement, which share their columns' names.
fn rows_of(found: &[SqliteRow]) -> Vec<Row> {
    let Some(first) = found.first() else { return Vec::new() };
    let columns = columns_of(first);
    found.iter().map(|row| row_of(row, Arc::clone(&columns))).collect()
}

fn columns_of(row: &SqliteRow) -> Arc<[String]> {
    row.columns().iter().map(|column| column.name().to_owned()).collect()
}

fn row_of(row: &SqliteRow, columns: Arc<[String]>) -> Row {
    let cells = (0..columns.len()).map(|column| cell_of(row, column)).collect();
    Row::new(columns, cells)
}

/// A value as what it is, whatever the column was declared as.
fn cell_of(row: &SqliteRow, column: usize) -> Option<Value> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        return Some(Value::Null);
    }
    match value.type_info().name() {
        "INTEGER" => row.try_get(column).ok().map(Value::Integer),
        "TEXT" => row.try_get(column).ok().map(Value::Text),
        "BLOB" => row.try_get(column).ok().map(Value::Bytes),
        _ => None,
    }
}
