//! Transactions that write.

use std::error::Error;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::retries::{Again, Rounds};
use super::{SqlStore, Transaction, audit};
use crate::ports::StoreError;

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
        let mut rounds = Rounds::begin(self.retries.as_deref());
        let mut doubt = None;
        loop {
            let error = match self.attempt(&work, &mut doubt).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            tracing::debug!(transaction = name, %error, cause = error.source(), "a transaction failed");
            if !rounds.next_after(&error).await {
                return match doubt {
                    Some(doubt) => self.resolve(doubt).await,
                    None => Err(error),
                };
            }
        }
    }

    /// One round of [`Self::transact`].
    async fn attempt<'a, T: Send>(
        &self,
        work: &impl for<'t> Fn(&'t mut (dyn Transaction + 'a)) -> BoxFuture<'t, Result<T, StoreError>>,
        doubt: &mut Option<Doubt<T>>,
    ) -> Result<T, StoreError> {
        let mut transaction = self.database.begin().await?;
        // In the transaction: what it decides next has to know whether the one before was made.
        let was_made = match doubt {
            Some(before) => transaction.fetch_first(audit::select(before.event)).await?.is_some(),
            None => false,
        };
        if was_made && let Some(before) = doubt.take() {
            transaction.roll_back().await;
            return Ok(before.done);
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

    /// The last look at a commit that is in doubt. That its event can be read proves that it was made. That it can't
    /// proves nothing yet.
    async fn resolve<T>(&self, doubt: Doubt<T>) -> Result<T, StoreError> {
        match self.database.read(audit::select(doubt.event)).await {
            Ok(found) if !found.is_empty() => Ok(doubt.done),
            _ => Err(StoreError::OutcomeUnknown(doubt.cause)),
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
