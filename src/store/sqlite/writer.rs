//! The single write connection, and its transactions.
//!
//! A commit waits for the disk, whatever it holds. So a transaction that is done goes to the end of the queue, and those that
//! wait there join it, each behind a savepoint; the first that comes back commits for all. Each one is answered once that
//! commit is on the disk, also if it changed nothing: it may have seen what the others wrote.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};
use uuid::Uuid;

use super::checkpoints::Checkpoints;
use super::connect::writing;
use super::errors;
use super::files::{Files, Lost};
use super::lock_retries::{apart, in_turn, until_unlocked};
use super::statements::{SYSTEM, command, execute, fetch, insert};
use crate::ports::StoreError;
use crate::store::sql::{Insertion, MeasuredStatement, Row, Statement, Transaction};

/// The connection, used by one transaction at a time, in order of arrival. `None` once closed.
pub(super) type Writer = Arc<Mutex<Option<Writable>>>;

/// A write connection, with the state of its log.
pub(super) struct Writable {
    connection: Connection,
    checkpoints: Checkpoints,
    /// `None` until they are known.
    files: Option<Files>,
    /// Those that wait for the end of the open transaction. While no writer uses the connection, one is open only for them.
    group: Vec<oneshot::Sender<Ended>>,
}

/// How a transaction ended, for all in it.
#[derive(Clone)]
enum Ended {
    Committed,
    RolledBack,
    /// The commit failed, with the code and the message of SQLite.
    Failed(i32, String),
    /// It went to a file that is gone by now, and is lost when the process ends.
    Lost(Lost),
}

impl Ended {
    fn result(self) -> Result<(), StoreError> {
        match self {
            Self::Committed => Ok(()),
            Self::RolledBack => Err(StoreError::Unavailable("SQLite has rolled back".into())),
            Self::Failed(code, message) => Err(errors::at_commit(errors::of_code(code, message))),
            Self::Lost(lost) => Err(StoreError::OutcomeUnknown(Box::new(lost))),
        }
    }
}

impl Writable {
    /// Commits for all that wait, if any do.
    pub(super) fn commit_group(&mut self, writer: &Writer) {
        if self.group.is_empty() {
            return;
        }
        let committed = command(&self.connection, "COMMIT");
        // The log cannot be inspected within a transaction.
        roll_back_all(&self.connection);
        let is_lost = self.files.as_ref().map(Files::check);
        if !matches!(is_lost, Some(Err(_))) {
            self.checkpoints.after_commit(&self.connection, &committed, writer);
        }
        let ended = match (committed, is_lost) {
            (Err(error), _) => Ended::Failed(errors::extended_code_of(&error), error.to_string()),
            (Ok(()), Some(Err(lost))) => Ended::Lost(lost),
            (Ok(()), _) => Ended::Committed,
        };
        self.tell(&ended);
    }

    fn tell(&mut self, ended: &Ended) {
        for waiting in self.group.drain(..) {
            // The receiver may be gone.
            let _ = waiting.send(ended.clone());
        }
    }
}

/// Opens the writer of the database in that file.
pub(super) fn open(path: &Path) -> rusqlite::Result<Writer> {
    let connection = writing(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    let checkpoints = Checkpoints::of(&connection, path)?;
    Ok(Arc::new(Mutex::new(Some(Writable { connection, checkpoints, files: None, group: Vec::new() }))))
}

/// From now on, a commit counts only if the files are still these.
pub(super) async fn guard(writer: &Writer, files: &Files) {
    if let Some(writable) = writer.lock().await.as_mut() {
        writable.files = Some(files.clone());
    }
}

/// Begins a write transaction. `IMMEDIATE`, because a plain `BEGIN` that reads first and writes later fails at once if
/// another connection wrote in between, however long the timeout (SQLite documentation, "Isolation").
///
/// Statements run on the calling thread: handing them to another takes longer than most of them run, above all when all
/// CPUs are busy hashing.
pub(super) async fn begin(writer: &Writer) -> rusqlite::Result<WriteTransaction> {
    let guard = in_turn(Arc::clone(writer).lock_owned()).await?;
    let writable = OwnedMutexGuard::try_map(guard, Option::as_mut).map_err(|_| errors::closed())?;
    let mut held = Held { writable, writer: Arc::clone(writer), open: None };
    if held.writable.group.is_empty() {
        let writing = &mut held;
        let attempt = move || {
            writing.writable.checkpoints.before_write(writing.connection())?;
            command(writing.connection(), "BEGIN IMMEDIATE")
        };
        until_unlocked(attempt).await?;
        held.open = Some(Open::First);
    } else {
        command(held.connection(), "SAVEPOINT joined")?;
        held.open = Some(Open::Joined);
    }
    Ok(WriteTransaction { held: Some(held), recorded: Vec::new() })
}

/// Waits for running transactions, moves everything into the database file and closes the connection.
pub(super) async fn close(writer: &Writer) {
    let mut closing = writer.lock().await;
    if let Some(writable) = closing.as_mut() {
        writable.commit_group(writer);
    }
    if let Some(Writable { connection, .. }) = closing.take() {
        // If this fails or never runs, the next opening finds everything in the write-ahead log.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

fn roll_back_all(connection: &Connection) {
    // On a full disk SQLite has already done so itself.
    if !connection.is_autocommit() {
        // The transaction is gone from memory whatever this returns.
        let _ = command(connection, "ROLLBACK");
    }
}

/// The connection in use. Returning it undoes whatever was begun on it and not concluded.
struct Held {
    writable: OwnedMappedMutexGuard<Option<Writable>, Writable>,
    writer: Writer,
    /// The transaction that uses it.
    open: Option<Open>,
}

/// What undoes a transaction alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// It is the first of its group: all.
    First,
    /// A savepoint.
    Joined,
}

impl Held {
    fn connection(&self) -> &Connection {
        &self.writable.connection
    }

    /// Undoes the transaction, if one uses the connection, and none that waits for its end.
    fn undo(&mut self) {
        let connection = &self.writable.connection;
        let is_undone = match self.open.take() {
            None => true,
            Some(Open::First) => false,
            Some(Open::Joined) => {
                let undone =
                    command(connection, "ROLLBACK TO joined").and_then(|()| command(connection, "RELEASE joined"));
                undone.is_ok() && !connection.is_autocommit()
            }
        };
        if !is_undone {
            roll_back_all(connection);
            self.writable.tell(&Ended::RolledBack);
        }
    }

    /// Lets those who wait for their turn join, and waits until the transaction has ended for all.
    async fn end_together(mut self) -> Result<(), StoreError> {
        let (waiting, ended) = oneshot::channel();
        self.open = None;
        self.writable.group.push(waiting);
        let mut member = Member { writer: Arc::clone(&self.writer), ended };
        drop(self);
        let ended = tokio::select! {
            biased;
            ended = &mut member.ended => ended.ok(),
            mut turn = member.writer.lock() => {
                if let Some(writable) = turn.as_mut() {
                    writable.commit_group(&member.writer);
                }
                member.ended.try_recv().ok()
            }
        };
        ended.map_or_else(|| Err(errors::closed().into()), Ended::result)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.undo();
    }
}

/// One that waits for the end of its group.
struct Member {
    writer: Writer,
    ended: oneshot::Receiver<Ended>,
}

impl Drop for Member {
    /// If its caller has hung up, another task commits in its place: it may be the last of its group.
    fn drop(&mut self) {
        let is_waiting = matches!(self.ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        if let (true, Ok(runtime)) = (is_waiting, tokio::runtime::Handle::try_current()) {
            let writer = Arc::clone(&self.writer);
            runtime.spawn(async move {
                if let Some(writable) = writer.lock().await.as_mut() {
                    writable.commit_group(&writer);
                }
            });
        }
    }
}

/// A write transaction.
pub(super) struct WriteTransaction {
    /// `None` while a statement runs on another thread.
    held: Option<Held>,
    recorded: Vec<Uuid>,
}

impl WriteTransaction {
    async fn run<T: Send + 'static>(
        &mut self,
        takes_long: bool,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
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

    async fn insert(&mut self, insertion: Insertion) -> Result<(), StoreError> {
        self.run(insertion.rows.len() > 1, move |connection| insert(connection, &insertion)).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let held = self.held.take().ok_or_else(errors::closed)?;
        if held.connection().is_autocommit() {
            return Ended::RolledBack.result();
        }
        if held.open == Some(Open::Joined) {
            command(held.connection(), "RELEASE joined")?;
        }
        let measured = MeasuredStatement::command(SYSTEM, "COMMIT");
        measured.end(held.end_together().await)
    }

    async fn roll_back(mut self: Box<Self>) -> Result<(), StoreError> {
        let Some(mut held) = self.held.take() else { return Ok(()) };
        let has_joined = held.open == Some(Open::Joined);
        held.undo();
        // The failure may follow from what the others wrote.
        if has_joined && !held.connection().is_autocommit() { held.end_together().await } else { Ok(()) }
    }

    fn recorded(&mut self) -> &mut Vec<Uuid> {
        &mut self.recorded
    }
}
