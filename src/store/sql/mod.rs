//! The store in SQL: everything that is the same whichever database keeps it.
//!
//! It stands on a [`Database`] of one's own, which is all that a driver has to offer.

mod attempts;
mod audit;
mod change_events;
mod check;
mod client_tokens;
mod credentials;
mod database;
mod directory;
mod hashes;
mod pepper;
mod row;
mod rows;
mod settings;
mod statement;
mod tokens;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use check::CheckReport;
pub(super) use check::check;
pub(super) use database::{Database, Transaction};
pub(super) use row::Row;
pub(super) use statement::{Statement, Value, sql};

use crate::ports::StoreError;

/// The store. Clones share its connections.
#[derive(Clone)]
pub struct SqlStore {
    database: Arc<dyn Database>,
}

impl SqlStore {
    pub(super) fn new(database: Arc<dyn Database>) -> Self {
        Self { database }
    }

    /// Tells whether the store answers, by reading from it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.read_first(sql("SELECT name FROM tenant LIMIT 1")).await.map(drop)
    }

    /// Waits for what is under way and closes the store.
    pub async fn close(&self) {
        self.database.close().await;
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.database.read(statement).await
    }

    async fn read_first(&self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.read(statement).await?.into_iter().next())
    }

    /// Everything that writes goes through here. `work` reads, decides and writes in one transaction, as if nobody else
    /// were there; once this is `Ok`, what it wrote is durable. Where `work` fails, nothing is changed.
    ///
    /// `name` says what the transaction is for, in the words of the port.
    async fn transact<'a, T>(
        &self,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = async {
            let mut transaction = self.database.begin().await?;
            let done = work(transaction.as_mut()).await?;
            transaction.commit().await?;
            Ok(done)
        };
        done.await.inspect_err(|error| tracing::debug!(transaction = name, %error, "a transaction failed"))
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SqlStore").finish_non_exhaustive()
    }
}
