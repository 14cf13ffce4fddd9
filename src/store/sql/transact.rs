//! Write transactions.

use std::error::Error;

use backon::RetryableWithContext;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::retries::{Again, is_worth_retrying};
use super::{SqlStore, Transaction, audit_events, authority, sql};
use crate::ports::store::{Authority, Creation, Deletion};
use crate::ports::{Deadline, StoreError};

impl SqlStore {
    /// All writes use this. `work` reads, decides and writes in one serializable transaction. Once this returns `Ok`,
    /// the writes are durable. If `work` fails, nothing is changed.
    ///
    /// Retries the whole transaction on a conflict with another, on a lost connection, and if the outcome of the commit
    /// is unknown: then only if the audit event that it wrote is not there.
    ///
    /// `name` is the name of the operation in the port.
    pub(super) async fn transact<'a, T: Send>(
        &self,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.transact_by(Way::Alone(None), name, work).await
    }

    /// Like [`Self::transact`], on behalf of a caller: first checks the authority, and records the event if anything
    /// changed.
    pub(super) async fn transact_and_record<'a, T: Outcome>(
        &self,
        name: &'static str,
        authority: &'a Authority,
        work: &'a (impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>> + Sync),
    ) -> Result<T, StoreError> {
        self.transact(name, |transaction| {
            Box::pin(async move {
                authority::check(transaction, authority).await?;
                let outcome = work(transaction).await?;
                if outcome.has_changed_anything() {
                    audit_events::insert(transaction, &authority.event).await?;
                }
                Ok(outcome)
            })
        })
        .await
    }

    /// Like [`Self::transact`], for work that suits [`Database::begin_in_turn`](super::Database::begin_in_turn) and
    /// whose decisions rely on the database's constraints.
    pub(super) async fn transact_in_turn<'a, T: Send>(
        &self,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.transact_by(Way::InTurn, name, work).await
    }

    /// Like [`Self::transact`], with the deadline of the caller that waits for the outcome.
    pub(super) async fn transact_before<'a, T: Send>(
        &self,
        deadline: Option<Deadline>,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.transact_by(Way::Alone(deadline), name, work).await
    }

    async fn transact_by<'a, T: Send>(
        &self,
        way: Way,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let attempt = async |mut doubt| {
            let done = self.attempt(way, &work, &mut doubt).await;
            let done = done.inspect_err(|error| {
                tracing::debug!(transaction = name, %error, cause = error.source(), "a transaction failed");
            });
            (doubt, done)
        };
        let pauses = self.pauses(way.deadline());
        let attempts = attempt.retry(pauses).sleep(tokio::time::sleep).context(None).when(is_worth_retrying());
        let (doubt, done) = attempts.await;
        done.map_err(|error| doubt.map_or(error, |Doubt { cause, .. }| StoreError::OutcomeUnknown(cause)))
    }

    /// Does work that first locks rows, in turn with other work that locks the same rows: see
    /// [`Database::begin_in_turn`](super::Database::begin_in_turn). Never retries: the next call does the remaining
    /// work.
    pub(super) async fn in_turn<'a, T: Send>(
        &self,
        work: impl for<'t> FnOnce(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut transaction = self.database.begin_in_turn().await?;
        match work(transaction.as_mut()).await {
            Ok(done) => transaction.commit().await.map(|()| done),
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }

    /// One attempt of [`Self::transact`].
    async fn attempt<'a, T: Send>(
        &self,
        way: Way,
        work: &impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
        doubt: &mut Option<Doubt<T>>,
    ) -> Result<T, StoreError> {
        let mut transaction = match way {
            Way::Alone(deadline) => self.database.begin_before(deadline).await?,
            Way::InTurn => self.database.begin_in_turn().await?,
        };
        // Checked in this transaction, because its next step depends on whether the previous attempt was committed.
        let was_made = match doubt {
            Some(before) => transaction.fetch_first(audit_events::select(before.event)).await?.is_some(),
            None => false,
        };
        if was_made {
            confirm(transaction).await?;
            return doubt.take().map(|before| before.done).ok_or_else(|| Again::InDoubt.into());
        }
        let done = match work(transaction.as_mut()).await {
            Ok(done) => done,
            Err(error) => {
                transaction.roll_back().await;
                return Err(error);
            }
        };
        let event = transaction.witness().take();
        match (transaction.commit().await, event) {
            (Ok(()), _) => Ok(done),
            (Err(StoreError::OutcomeUnknown(cause)), Some(event)) => {
                *doubt = Some(Doubt { event, done, cause });
                Err(Again::InDoubt.into())
            }
            // Work that records no event is idempotent: repeating it changes nothing that matters.
            (Err(StoreError::OutcomeUnknown(_)), None) => Err(Again::InDoubt.into()),
            (Err(error), _) => Err(error),
        }
    }
}

/// Outcome of work that may change something.
pub(super) trait Outcome: Send {
    /// Whether it did.
    fn has_changed_anything(&self) -> bool;
}

/// Whether there was something to change.
impl Outcome for bool {
    fn has_changed_anything(&self) -> bool {
        *self
    }
}

impl Outcome for Creation {
    fn has_changed_anything(&self) -> bool {
        *self == Self::Created
    }
}

impl Outcome for Deletion {
    fn has_changed_anything(&self) -> bool {
        *self == Self::Deleted
    }
}

/// Makes sure that the commit found in this transaction is durable before it is confirmed: a synchronous standby may
/// not have it yet. Once it has the write made here, it has everything before.
async fn confirm(mut transaction: Box<dyn Transaction>) -> Result<(), StoreError> {
    transaction.execute(sql("UPDATE change_position SET last = last WHERE only_row = 1")).await?;
    match transaction.commit().await {
        Err(StoreError::OutcomeUnknown(_)) => Err(Again::InDoubt.into()),
        confirmed => confirmed,
    }
}

/// Isolation of a transaction.
#[derive(Clone, Copy)]
enum Way {
    /// Serializable, with the caller's deadline, if any.
    Alone(Option<Deadline>),
    /// Not serializable: others may write meanwhile, and it waits for its turn.
    InTurn,
}

impl Way {
    const fn deadline(self) -> Option<Deadline> {
        match self {
            Self::Alone(deadline) => deadline,
            Self::InTurn => None,
        }
    }
}

/// A commit with an unknown outcome.
struct Doubt<T> {
    /// The audit event that only this transaction wrote.
    event: Uuid,
    /// The result, if the commit succeeded.
    done: T,
    cause: Box<dyn Error + Send + Sync>,
}
