//! What a driver has to offer.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use uuid::Uuid;

use super::{Insertion, Row, Statement};
use crate::ports::{Deadline, StoreError};

/// A database with the store's tables. Errors tell the cause in the port's words; no driver's type gets past here.
#[async_trait]
pub(in crate::store) trait Database: Send + Sync {
    /// Runs one statement that reads. It sees one moment.
    async fn read(&self, statement: &Statement) -> Result<Vec<Row>, StoreError>;

    /// As [`Database::read`], a row at a time, however many there are.
    fn scan(&self, statement: Statement) -> BoxStream<'_, Result<Row, StoreError>>;

    /// Begins a transaction that writes. Whatever is decided in it is as if nobody else were there.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// As [`Database::begin`], for somebody who waits no longer than that for anything in it.
    async fn begin_before(&self, _deadline: Option<Deadline>) -> Result<Box<dyn Transaction>, StoreError> {
        self.begin().await
    }

    /// As [`Database::begin`], for work that begins with taking a row which everybody takes who does the same: they come
    /// one after the other by that alone, and it has to be enough that each statement sees what is committed by then. To
    /// be as if nobody else were there would cost a database conflicts with all who write what is read here.
    async fn begin_in_turn(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.begin().await
    }

    /// Waits for what is under way, and closes the connections.
    async fn close(&self);

    /// What stands for the table of the elements of a JSON array, the statement's first value. Its column is `value`, and
    /// `value ->> 'name'` is a member of an element as text.
    fn rows_of_json(&self) -> &'static str;

    /// What stands for the rows that keys lead to.
    fn rows_of_keys(&self) -> RowsOfKeys;

    /// Where a row of the table `s` is, as this database tells it to whoever looks for it.
    fn place_of_row(&self) -> &'static str;
}

/// What is joined to `k`, a row that was found by a key: the same row. What is read of that comes from the table itself, so
/// that whoever reads it can tell when a damaged index led to the row of somebody else.
pub(in crate::store) struct RowsOfKeys {
    /// The row is `s`.
    pub(in crate::store) subject: &'static str,
    /// The row is `c`.
    pub(in crate::store) credential: &'static str,
    /// The rows are `e`, found by the credential `c`.
    pub(in crate::store) earlier_hash: &'static str,
    /// The row is `a`.
    pub(in crate::store) access_token: &'static str,
}

/// A transaction that writes. Dropped, it changes nothing.
#[async_trait]
pub(in crate::store) trait Transaction: Send {
    /// Runs a statement and answers how many rows it changed.
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError>;

    /// Runs a statement and answers its rows.
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError>;

    /// As [`Transaction::fetch`], where one row is enough.
    async fn fetch_first(&mut self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(statement).await?.into_iter().next())
    }

    /// Adds rows and answers how many it added.
    async fn insert(&mut self, insertion: Insertion) -> Result<u64, StoreError>;

    /// What a query ends with whose rows are not to be changed by anybody else until the transaction is over. Nothing, where
    /// nobody else writes meanwhile.
    fn taking(&self) -> &'static str {
        ""
    }

    /// What a query ends with whose rows are not to be removed by anybody else until the transaction is over. Others may
    /// ask the same of them meanwhile.
    fn keeping(&self) -> &'static str {
        ""
    }

    /// Commits. Once this is `Ok`, it is durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Ends without a change. To drop the transaction does as well, but may cost its connection.
    async fn roll_back(self: Box<Self>);

    /// The audit event that was written in it: by that it can be told later whether it was committed.
    fn witness(&mut self) -> &mut Option<Uuid>;
}
