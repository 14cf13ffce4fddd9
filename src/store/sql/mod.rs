//! The SQL store: everything that does not depend on the database.
//!
//! Each driver implements [`Database`], the store's only interface to it.

mod attempts;
mod audit_chain;
mod audit_events;
mod audit_log;
mod authority;
mod candidates;
mod change_events;
mod check;
mod client_tokens;
mod credentials;
mod database;
mod deliveries;
mod directory;
mod endpoints;
mod hash_pages;
mod imports;
mod leftovers;
mod measured;
mod overlaps;
mod retries;
mod row;
mod rows;
mod statement;
mod steps;
mod stored_hashes;
mod summary;
mod tenant_settings;
mod tokens;
mod transact;
mod upkeep;
mod value;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;

pub use check::CheckReport;
pub(super) use check::check;
pub(super) use database::{Database, Isolation, RowsOfKeys, Transaction};
pub(super) use measured::MeasuredStatement;
pub(super) use retries::{Again, Retries};
pub(super) use row::{Columns, Row};
pub(super) use statement::{Insertion, Statement, sql};
pub(super) use steps::{Step, StepKind, Steps};
pub(super) use value::Value;

use audit_log::Records;
use measured::within;
use retries::is_worth_retrying;

use crate::ports::meter::{ConnectionState, Gauge, Meter, NoMeter, StoreWork};
use crate::ports::{Clock, Deadline, StoreError};

/// The store. Clones share its connections.
#[derive(Clone)]
pub struct SqlStore {
    database: Arc<dyn Database>,
    /// `None` if retries gain nothing.
    retries: Option<Arc<Retries>>,
    records: Arc<Records>,
    meter: Arc<dyn Meter>,
    /// `None` if no time is taken.
    clock: Option<Arc<dyn Clock>>,
}

impl SqlStore {
    pub(super) fn new(database: Arc<dyn Database>, retries: Option<Arc<Retries>>) -> Self {
        Self { database, retries, records: Arc::default(), meter: Arc::new(NoMeter), clock: None }
    }

    /// The same store, with metrics.
    #[must_use]
    pub fn measured_by(self, meter: Arc<dyn Meter>, clock: Arc<dyn Clock>) -> Self {
        Self { meter, clock: Some(clock), ..self }
    }

    /// Checks that the store answers, by reading from it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.read_first(sql("SELECT name FROM tenant LIMIT 1")).await.map(drop)
    }

    /// Takes down the number of connections to the database.
    pub fn measure_connections(&self) {
        let (in_use, idle) = self.database.connections();
        for (state, count) in [(ConnectionState::InUse, in_use), (ConnectionState::Idle, idle)] {
            self.meter.set(Gauge::StoreConnections(state), i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The key that authenticates page tokens.
    pub async fn page_key(&self) -> Result<[u8; 32], StoreError> {
        let row = self.read_first(sql("SELECT key FROM page_key WHERE only_row = 1")).await?;
        let key = row.as_ref().map(|row| row.bytes("key")).transpose()?.and_then(|key| key.try_into().ok());
        key.ok_or_else(|| rows::damaged("page_key"))
    }

    /// Waits for running operations and closes the store.
    pub async fn close(&self) {
        self.database.close().await;
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let [rows] = self.read_together([statement]).await?;
        Ok(rows)
    }

    /// Runs several read statements, on one snapshot, and returns the rows of each.
    async fn read_together<const N: usize>(&self, statements: [Statement; N]) -> Result<[Vec<Row>; N], StoreError> {
        let mut measured = self.measured(StoreWork::Read);
        let read = || async {
            let found = self.database.read(&statements).await?;
            found.try_into().map_err(|_| rows::damaged("statements"))
        };
        let reads = read.retry(self.pauses(None)).sleep(tokio::time::sleep).when(is_worth_retrying());
        let span = measured.span();
        let found = within(span, reads.notify(|error, _| measured.count_retry(error))).await;
        measured.count_failure(found)
    }

    async fn read_first(&self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.read(statement).await?.into_iter().next())
    }

    /// The pauses between the attempts of work that begins now.
    fn pauses(&self, deadline: Option<Deadline>) -> impl Iterator<Item = Duration> {
        self.retries.as_ref().map(|retries| retries.pauses(deadline)).into_iter().flatten()
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SqlStore").finish_non_exhaustive()
    }
}
