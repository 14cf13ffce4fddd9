//! The database interface of `store::sql`, implemented for SQLite.

use std::ops::ControlFlow;
use std::path::Path;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, future};
use tokio::sync::mpsc;

use super::connect::{looking, reading};
use super::files::Files;
use super::lock_retries::until_unlocked;
use super::open::OpenError;
use super::owner::Owner;
use super::readers::Readers;
use super::statements::{SYSTEM, each_row, fetch_all};
use super::writer::{self, Writer};
use crate::ports::{Deadline, StoreError};
use crate::store::sql::{Database, Isolation, MeasuredStatement, Row, RowsOfKeys, Statement, Steps, Transaction};

/// Number of scanned rows to read ahead of the receiver.
const ROWS_AHEAD: usize = 256;

/// One file, one writer at a time.
pub(super) struct SqliteDatabase {
    readers: Readers,
    writer: Writer,
    /// `None` if nothing is written, so that there are no commits to guarantee.
    files: Option<Files>,
    /// Dropped last, because it has the file open.
    owner: Option<Owner>,
}

impl SqliteDatabase {
    /// Opens the database in a file that was checked.
    pub(super) async fn open(path: &Path, owner: Option<Owner>) -> Result<Self, OpenError> {
        let of_driver = |error| OpenError::of_driver(path, error);
        let writer = writer::open(path).map_err(of_driver)?;
        // Readers run beside a writer, so only an attempt to write shows whether another process has locked the store.
        // It also creates the log.
        drop(writer::begin(&writer).await.map_err(of_driver)?);
        let files = Files::of(path).map_err(|error| OpenError::of_io(path, error))?;
        writer::guard(&writer, &files).await;
        let readers = Readers::new(path, reading, Some(files.clone()));
        Ok(Self { readers, writer, files: Some(files), owner })
    }

    /// Like [`Self::open`], but nothing can be written.
    pub(super) fn look(path: &Path) -> Self {
        Self { readers: Readers::new(path, looking, None), writer: Writer::default(), files: None, owner: None }
    }

    /// Returns the result of a read if it came from the files that were opened.
    fn checked<T>(&self, read: rusqlite::Result<T>) -> Result<T, StoreError> {
        self.files.as_ref().map_or(Ok(()), Files::check_database)?;
        Ok(read?)
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn read(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, StoreError> {
        if statements.iter().any(|statement| statement.takes_long) {
            let statements = statements.to_vec();
            return self
                .checked(self.readers.read_at_length(move |connection| fetch_all(connection, &statements)).await);
        }
        // Reads hardly ever wait, so a task that reads repeatedly has to yield to others now and then.
        tokio::task::coop::consume_budget().await;
        self.checked(until_unlocked(|| self.readers.read(|connection| fetch_all(connection, statements))).await)
    }

    fn system(&self) -> &'static str {
        SYSTEM
    }

    /// One by one: there is no network between them.
    async fn write(&self, steps: &Steps, deadline: Option<Deadline>) -> Result<Vec<u64>, StoreError> {
        let mut transaction = self.begin(Isolation::Serializable, deadline).await?;
        match steps.run(transaction.as_mut()).await {
            Ok(counts) => transaction.commit().await.map(|()| counts),
            Err(error) => transaction.roll_back().await.and(Err(error)),
        }
    }

    fn scan(&self, statement: Statement) -> BoxStream<'_, Result<Row, StoreError>> {
        let (sender, mut receiver) = mpsc::channel(ROWS_AHEAD);
        let reading = self.readers.read_at_length(move |connection| {
            let read = each_row(connection, &statement, |row| match sender.blocking_send(Ok(row)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
            // Sent after the rows before it. If the receiver is gone, the error is of no interest.
            if let Err(error) = read {
                let _ = sender.blocking_send(Err(error));
            }
            Ok(())
        });
        let not_read = stream::once(reading).filter_map(|read| future::ready(read.err().map(Err)));
        let rows = stream::select(stream::poll_fn(move |context| receiver.poll_recv(context)), not_read);
        rows.map(|row| row.map_err(Into::into)).boxed()
    }

    /// There is one writer at a time, and it never waits for long.
    async fn begin(
        &self,
        _isolation: Isolation,
        _deadline: Option<Deadline>,
    ) -> Result<Box<dyn Transaction>, StoreError> {
        self.files.as_ref().map_or(Ok(()), Files::check)?;
        let measured = MeasuredStatement::command(SYSTEM, "BEGIN");
        Ok(Box::new(measured.end(writer::begin(&self.writer).await)?))
    }

    async fn close(&self) {
        self.readers.close();
        writer::close(&self.writer).await;
        if let Some(owner) = &self.owner {
            owner.release();
        }
    }

    fn rows_of_json(&self) -> &'static str {
        "json_each($1)"
    }

    /// SQLite reads the columns of a key from the index, and its pages have no checksums.
    fn rows_of_keys(&self) -> RowsOfKeys {
        RowsOfKeys {
            subject: "subject s ON s.rowid = k.rowid",
            credential: "credential c ON c.rowid = k.rowid",
            earlier_hash: "earlier_hash h ON h.subject_id = c.subject_id LEFT JOIN earlier_hash e ON e.rowid = h.rowid",
            access_token: "access_token a ON a.rowid = k.rowid",
            subject_named: "subject s ON s.tenant = r.value ->> 1 AND s.kind = r.value ->> 2 \
                            AND coalesce(s.instance, '') = r.value ->> 3 AND s.name = r.value ->> 4",
        }
    }

    fn place_of_row(&self) -> &'static str {
        "CAST(s.rowid AS TEXT)"
    }
}
