//! Interface of a database driver.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use uuid::Uuid;

use super::{Insertion, Row, Statement, StepKind, Steps};
use crate::ports::{Deadline, StoreError};

/// A database with the store's tables. Errors name the cause in terms of the port; no driver type leaves the driver.
#[async_trait]
pub(in crate::store) trait Database: Send + Sync {
    /// Runs read statements on one snapshot, in one round trip, and returns the rows of each.
    async fn read(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, StoreError>;

    /// Runs the steps of a write as a serializable transaction, in as few round trips as possible. Returns how many rows
    /// each found or changed. Once this returns `Ok`, the writes are durable.
    async fn write(&self, steps: &Steps, deadline: Option<Deadline>) -> Result<Vec<u64>, StoreError>;

    /// Like [`Database::read`] with one statement, but streams the rows, however many there are.
    fn scan(&self, statement: Statement) -> BoxStream<'_, Result<Row, StoreError>>;

    /// Begins a write transaction, with a deadline for everything in it.
    async fn begin(&self, isolation: Isolation, deadline: Option<Deadline>)
    -> Result<Box<dyn Transaction>, StoreError>;

    /// Its name in traces, as the semantic conventions of OpenTelemetry write it.
    fn system(&self) -> &'static str;

    /// The number of connections in use and of those that are kept for reuse, where there is a pool of them.
    fn connections(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Waits for running operations and closes the connections.
    async fn close(&self);

    /// SQL for a table of the elements of a JSON array, which is the statement's first value. Its column is `value`,
    /// and `value ->> 'name'` is a member of an element as text.
    fn rows_of_json(&self) -> &'static str;

    /// SQL for the rows that keys lead to.
    fn rows_of_keys(&self) -> RowsOfKeys;

    /// SQL for the place of a row of the table `s`, in this database's terms, so that an operator can find it.
    fn place_of_row(&self) -> &'static str;
}

/// What a write transaction sees of others.
#[derive(Clone, Copy)]
pub(in crate::store) enum Isolation {
    /// Its decisions are valid as if no other transaction ran.
    Serializable,
    /// For work that first locks a row which all work of its kind locks. That alone puts them in order, so each
    /// statement only has to see what was committed before it. A serializable transaction would conflict, in some
    /// databases, with every writer of the rows that it reads.
    InTurn,
}

/// SQL that joins the row `k`, found by a key, to itself, or finds a row by a key. The columns then come from the table
/// itself, so that a reader can detect when a damaged index led to another subject's row.
pub(in crate::store) struct RowsOfKeys {
    /// The row is `s`.
    pub(in crate::store) subject: &'static str,
    /// The row is `c`.
    pub(in crate::store) credential: &'static str,
    /// The rows are `e`, found by the credential `c`.
    pub(in crate::store) earlier_hash: &'static str,
    /// The row is `a`.
    pub(in crate::store) access_token: &'static str,
    /// The row is `s`, found by the members 1 to 4 of the element `r` of a JSON array: the tenant, the kind, the instance
    /// and the name. Each is searched for by itself, whatever the database knows of the sizes of tables.
    pub(in crate::store) subject_named: &'static str,
}

/// A write transaction. Dropping it changes nothing.
#[async_trait]
pub(in crate::store) trait Transaction: Send {
    /// Runs a statement and returns the number of rows that it changed.
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError>;

    /// Runs a statement and returns its rows.
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError>;

    /// Like [`Transaction::fetch`], if one row is enough.
    async fn fetch_first(&mut self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(statement).await?.into_iter().next())
    }

    /// Adds rows. If one violates a constraint, above all if it exists already, this fails with [`super::Again::Constraint`], and
    /// the transaction can only be rolled back.
    async fn insert(&mut self, insertion: Insertion) -> Result<(), StoreError>;

    /// Suffix of a query that locks its rows against changes by others until the transaction ends. Empty if no other
    /// writer can run meanwhile.
    fn for_update(&self) -> &'static str {
        ""
    }

    /// Suffix of a query that locks its rows as such a step does, until the transaction ends. Empty if no other writer can
    /// run meanwhile.
    fn lock_of(&self, _kind: StepKind) -> &'static str {
        ""
    }

    /// Commits. Once this returns `Ok`, the transaction is durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Ends without a change. Dropping the transaction does the same, but may cost its connection. Once this returns `Ok`,
    /// what the transaction has read is durable.
    async fn roll_back(self: Box<Self>) -> Result<(), StoreError>;

    /// Ids of the audit events written in this transaction. One of them later shows whether it was committed.
    fn recorded(&mut self) -> &mut Vec<Uuid>;
}
