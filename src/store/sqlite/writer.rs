//! The single write connection, and its transactions.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
use uuid::Uuid;

use super::checkpoints::Checkpoints;
use super::connect::writing;
use super::errors;
use super::files::Files;
use super::lock_retries::{apart, in_turn, until_unlocked};
use super::statements::{command, execute, fetch, insert};
use crate::ports::StoreError;
use crate::ports::call_record::note_statements;
use crate::store::sql::{Insertion, Row, Statement, Transaction};

/// The connection, used by one transaction at a time, in order of arrival. `None` once closed.
pub(super) type Writer = Arc<Mutex<Option<Writable>>>;

/// A write connection, with the state of its log.
pub(super) struct Writable {
    connection: Connection,
    checkpoints: Checkpoints,
}

/// Opens the writer of the database in that file.
pub(super) fn open(path: &Path) -> rusqlite::Result<Writer> {
    let connection = writing(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    let checkpoints = Checkpoints::of(&connection, path)?;
    Ok(Arc::new(Mutex::new(Some(Writable { connection, checkpoints }))))
}

/// Begins a write transaction. `IMMEDIATE`, because a plain `BEGIN` that reads first and writes later fails at once if
/// another connection wrote in between, however long the timeout (SQLite documentation, "Isolation").
///
/// Statements run on the calling thread: handing them to another takes longer than most of them run, above all when all
/// CPUs are busy hashing.
pub(super) async fn begin(writer: &Writer, files: Option<&Files>) -> rusqlite::Result<WriteTransaction> {
    let guard = in_turn(Arc::clone(writer).lock_owned()).await?;
    let guard = OwnedMutexGuard::try_map(guard, Option::as_mut).map_err(|_| errors::closed())?;
    let mut held = Held(guard);
    let begun = &mut held;
    let begin = move || {
        begun.0.checkpoints.before_write(begun.connection())?;
        command(begun.connection(), "BEGIN IMMEDIATE")
    };
    until_unlocked(begin).await?;
    Ok(WriteTransaction { held: Some(held), writer: Arc::clone(writer), files: files.cloned(), recorded: Vec::new() })
}

/// Waits for running transactions, moves everything into the database file and closes the connection.
pub(super) async fn close(writer: &Writer) {
    if let Some(Writable { connection, .. }) = writer.lock().await.take() {
        // If this fails or never runs, the next opening finds everything in the write-ahead log.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

/// The connection in use. Returning it rolls back whatever was begun on it and not committed.
struct Held(OwnedMappedMutexGuard<Option<Writable>, Writable>);

impl Held {
    fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// Rolls back an uncommitted transaction. On a full disk SQLite has already done so itself.
    fn roll_back(&self) {
        if !self.connection().is_autocommit() {
            // The transaction is gone from memory whatever this returns.
            let _ = command(self.connection(), "ROLLBACK");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.roll_back();
    }
}

/// A write transaction.
pub(super) struct WriteTransaction {
    /// `None` while a statement runs on another thread.
    held: Option<Held>,
    writer: Writer,
    files: Option<Files>,
    recorded: Vec<Uuid>,
}

impl WriteTransaction {
    async fn run<T: Send + 'static>(
        &mut self,
        takes_long: bool,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        note_statements(1);
        let held = self.held.take().ok_or_else(errors::closed)?;
        let run = move || {
            let answer = run(held.connection());
            (held, answer)
        };
        let (held, answer) = if takes_long { apart(run).await? } else { run() };
        self.held = Some(held);
        Ok(answer?)
    }
}

#[async_trait]
impl Transaction for WriteTransaction {
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        self.run(statement.takes_long, move |connection| execute(connection, &statement)).await
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.run(statement.takes_long, move |connection| fetch(connection, &statement)).await
    }

    async fn insert(&mut self, insertion: Insertion) -> Result<u64, StoreError> {
        self.run(insertion.rows.len() > 1, move |connection| insert(connection, &insertion)).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let mut held = self.held.take().ok_or_else(errors::closed)?;
        if held.connection().is_autocommit() {
            return Err(StoreError::Unavailable("SQLite has rolled back".into()));
        }
        let committed = command(held.connection(), "COMMIT");
        // The log cannot be inspected within a transaction.
        held.roll_back();
        // A commit to a file that is gone by now is lost when the process ends.
        if let Some(Err(lost)) = self.files.as_ref().map(Files::check) {
            return committed.map_err(errors::at_commit).and(Err(StoreError::OutcomeUnknown(Box::new(lost))));
        }
        let Writable { connection, checkpoints } = &mut *held.0;
        checkpoints.after_commit(connection, &committed, &self.writer);
        committed.map_err(errors::at_commit)
    }

    async fn roll_back(self: Box<Self>) {}

    fn recorded(&mut self) -> &mut Vec<Uuid> {
        &mut self.recorded
    }
}
