//! Transactions that write.

use std::error::Error;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::retries::{Again, Rounds};
use super::{SqlStore, Transaction, audit_events, authority, sql};
use crate::ports::store::{Authority, Creation, Deletion};
use crate::ports::{Deadline, StoreError};

impl SqlStore {
    /// Everything that writes goes through here. `work` reads, decides and writes in one transaction, as if nobody else
    /// were there; once this is `Ok`, what it wrote is durable. Where `work` fails, nothing is changed.
    ///
    /// It is done again, the whole of it, where somebody else came in between, where the connection was lost, and where
    /// the commit left in doubt whether it was made: then only if the audit event that it wrote is not there.
    ///
    /// `name` says what the transaction is for, in the words of the port.
    pub(super) async fn transact<'a, T: Send>(
        &self,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.transact_by(Way::Alone(None), name, work).await
    }

    /// As [`Self::transact`], in somebody's name: checks first what has to hold for that, and records the event where
    /// anything was changed.
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

    /// As [`Self::transact`], for work as [`Database::begin_in_turn`](super::Database::begin_in_turn) has it, and whose
    /// decisions rest on the database's constraints.
    pub(super) async fn transact_in_turn<'a, T: Send>(
        &self,
        name: &'static str,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.transact_by(Way::InTurn, name, work).await
    }

    /// As [`Self::transact`], for somebody who waits until that deadline to learn what came of it.
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
        let mut rounds = Rounds::begin(self.retries.as_deref(), way.deadline());
        let mut doubt = None;
        loop {
            let error = match self.attempt(way, &work, &mut doubt).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            tracing::debug!(transaction = name, %error, cause = error.source(), "a transaction failed");
            if !rounds.next_after(&error).await {
                return Err(doubt.map_or(error, |Doubt { cause, .. }| StoreError::OutcomeUnknown(cause)));
            }
        }
    }

    /// Does work that begins with taking rows, in turn with others who take the same: see
    /// [`Database::begin_in_turn`](super::Database::begin_in_turn). It is not done again: who comes next does what was left.
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

    /// One round of [`Self::transact`].
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
        // In the transaction: what it decides next has to know whether the one before was made.
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
            // What records nothing decides nothing that matters: done twice, it is as if it had been done once.
            (Err(StoreError::OutcomeUnknown(_)), None) => Err(Again::InDoubt.into()),
            (Err(error), _) => Err(error),
        }
    }
}

/// What came of work that may have changed something.
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

/// Makes sure that what was seen in a transaction is as durable as what is confirmed: a standby that is waited for may
/// not have it yet. It has all that was before once it has what is written here.
async fn confirm(mut transaction: Box<dyn Transaction>) -> Result<(), StoreError> {
    transaction.execute(sql("UPDATE change_position SET last = last WHERE only_row = 1")).await?;
    match transaction.commit().await {
        Err(StoreError::OutcomeUnknown(_)) => Err(Again::InDoubt.into()),
        confirmed => confirmed,
    }
}

/// How a transaction goes about it.
#[derive(Clone, Copy)]
enum Way {
    /// As if nobody else were there; for somebody who waits until then, if for anybody.
    Alone(Option<Deadline>),
    /// Others are there, and it waits for them.
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

/// A commit of which it is not known whether it was made.
struct Doubt<T> {
    /// The audit event that it wrote, and nobody else did.
    event: Uuid,
    /// The answer, if it was made.
    done: T,
    cause: Box<dyn Error + Send + Sync>,
}
