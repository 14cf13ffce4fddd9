//! Write transactions.

use std::error::Error;
use std::slice;

use backon::RetryableWithContext;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::measured::within;
use super::retries::{Again, is_worth_retrying};
use super::{Isolation, SqlStore, Statement, Steps, Transaction, audit_events, authority, sql};
use crate::domain::credential::Version;
use crate::ports::meter::{Counter, StoreWork};
use crate::ports::store::{Authority, Creation, Deletion, TokenInsertion};
use crate::ports::{Deadline, StoreError};

/// A write transaction to be run.
pub(super) struct Write<'a> {
    store: &'a SqlStore,
    work: StoreWork,
    isolation: Isolation,
    retried: Retried,
    deadline: Option<Deadline>,
    authorities: &'a [Authority],
}

/// When a write is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retried {
    Never,
    /// Only if nothing was changed.
    UnlessInDoubt,
    Always,
}

/// A write transaction to be run on behalf of callers.
pub(super) struct AuthorizedWrite<'a>(Write<'a>);

impl SqlStore {
    /// All writes use this. `work` is what it is called in metrics and in the log.
    pub(super) const fn write(&self, work: StoreWork) -> Write<'_> {
        let isolation = Isolation::Serializable;
        Write { store: self, work, isolation, retried: Retried::Always, deadline: None, authorities: &[] }
    }
}

impl<'a> Write<'a> {
    /// With the deadline of the caller that waits for the outcome.
    pub(super) const fn before(self, deadline: Option<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    /// In turn with other work of its kind: see [`Isolation::InTurn`].
    pub(super) const fn in_turn(self) -> Self {
        Self { isolation: Isolation::InTurn, ..self }
    }

    /// Without a retry: the next call does the remaining work.
    pub(super) const fn once(self) -> Self {
        Self { retried: Retried::Never, ..self }
    }

    /// Without a retry if the outcome is unknown: what is found then may be this write's own, or another's.
    pub(super) const fn unless_in_doubt(self) -> Self {
        Self { retried: Retried::UnlessInDoubt, ..self }
    }

    /// On behalf of a caller: checks the authority first, and records its event if anything changed.
    pub(super) const fn authorized_by(self, authority: &'a Authority) -> AuthorizedWrite<'a> {
        self.authorized_by_all(slice::from_ref(authority))
    }

    /// Like [`Self::authorized_by`], with several authorities.
    pub(super) const fn authorized_by_all(self, authorities: &'a [Authority]) -> AuthorizedWrite<'a> {
        AuthorizedWrite(Self { authorities, ..self })
    }

    /// Reads, decides and writes in one transaction. Once this returns `Ok`, the writes are durable. If `work` fails,
    /// nothing is changed.
    ///
    /// Retries the whole transaction on a conflict with another, on a lost connection, and if the outcome of the commit
    /// is unknown: then only if the audit event that it wrote is not there.
    pub(super) async fn run<'w, T: Send>(
        self,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'w)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.run_and_record(work, Err, None, |_| false).await
    }

    /// Runs one statement. Returns whether it changed anything.
    pub(super) async fn execute(self, statement: Statement) -> Result<bool, StoreError> {
        self.run(|transaction| Box::pin(execute(transaction, statement.clone()))).await
    }

    async fn run_and_record<'w, T: Send>(
        self,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'w)) -> BoxFuture<'t, Result<T, StoreError>>,
        of_failure: fn(StoreError) -> Result<T, StoreError>,
        at_once: Option<AtOnce<'_, T>>,
        has_changed_anything: fn(&T) -> bool,
    ) -> Result<T, StoreError> {
        let Self { store, work: named, .. } = self;
        let mut measured = store.measured(named);
        let attempt = async |mut doubt: Option<Doubt<T>>| {
            let done = match &at_once {
                Some(at_once) if doubt.is_none() => self.attempt_at_once(at_once, &mut doubt).await,
                _ => self.attempt(&work, of_failure, has_changed_anything, &mut doubt).await,
            };
            let done = done.inspect_err(|error| {
                tracing::debug!(transaction = named.as_str(), %error, cause = error.source(), "a transaction failed");
            });
            (doubt, done)
        };
        let pauses = (self.retried != Retried::Never).then(|| self.store.pauses(self.deadline)).into_iter().flatten();
        let mut is_worth_retrying = is_worth_retrying();
        let is_retried = |error: &StoreError| {
            let is_in_doubt = matches!(Again::of(error), Some(Again::InDoubt));
            !(is_in_doubt && self.retried == Retried::UnlessInDoubt) && is_worth_retrying(error)
        };
        let attempts = attempt.retry(pauses).sleep(tokio::time::sleep).context(None).when(is_retried);
        let span = measured.span();
        let (doubt, done) = within(span, attempts.notify(|error, _| measured.count_retry(error))).await;
        let done = done.map_err(|error| doubt.map_or(error, |Doubt { cause, .. }| StoreError::OutcomeUnknown(cause)));
        measured.count_failure(done)
    }

    async fn attempt<'w, T: Send>(
        &self,
        work: &impl for<'t> Fn(&'t mut (dyn Transaction + 'w)) -> BoxFuture<'t, Result<T, StoreError>>,
        of_failure: fn(StoreError) -> Result<T, StoreError>,
        has_changed_anything: fn(&T) -> bool,
        doubt: &mut Option<Doubt<T>>,
    ) -> Result<T, StoreError> {
        let mut transaction = self.store.database.begin(self.isolation, self.deadline).await?;
        // Checked in this transaction, because its next step depends on whether the previous attempt was committed.
        let was_made = match doubt.as_ref().and_then(|before| before.events.last()) {
            Some(&event) => transaction.fetch_first(audit_events::select(event)).await?.is_some(),
            None => false,
        };
        if was_made {
            confirm(transaction).await?;
            let before = doubt.take().ok_or(Again::InDoubt)?;
            self.store.meter.add(Counter::AuditEvents, before.events.len());
            return Ok(before.done);
        }
        let done = async {
            authority::check_all(transaction.as_mut(), self.authorities).await?;
            let done = work(transaction.as_mut()).await?;
            if has_changed_anything(&done) {
                for authority in self.authorities {
                    audit_events::insert(transaction.as_mut(), &authority.event).await?;
                }
            }
            Ok(done)
        };
        let done = match done.await {
            Ok(done) => done,
            Err(error) => {
                return transaction.roll_back().await.and_then(|()| of_failure(error));
            }
        };
        let events = std::mem::take(transaction.recorded());
        match transaction.commit().await {
            Ok(()) => {
                self.store.meter.add(Counter::AuditEvents, events.len());
                Ok(done)
            }
            Err(StoreError::OutcomeUnknown(cause)) => {
                *doubt = Some(Doubt { events, done, cause });
                Err(Again::InDoubt.into())
            }
            Err(error) => Err(error),
        }
    }

    /// An attempt that is not in doubt about an earlier one.
    async fn attempt_at_once<T>(
        &self,
        AtOnce { add, done }: &AtOnce<'_, T>,
        doubt: &mut Option<Doubt<T>>,
    ) -> Result<T, StoreError> {
        let (mut steps, mut needed, mut after) = (Steps::default(), Vec::new(), None);
        for authority in self.authorities {
            for (step, missing) in authority::preconditions(authority)? {
                after = Some(steps.add(step, after));
                needed.push(missing);
            }
        }
        let decides = add(&mut steps, after);
        for authority in self.authorities {
            steps.add(audit_events::step(&authority.event)?, Some(decides));
        }
        match self.store.database.write(&steps, self.deadline).await {
            Ok(counts) => {
                if let Some((_, missing)) = counts.iter().zip(needed).find(|(count, _)| **count == 0) {
                    return Err(missing.into());
                }
                let has_changed = has_any(&counts, decides);
                if has_changed {
                    self.store.meter.add(Counter::AuditEvents, self.authorities.len());
                }
                Ok(done(has_changed))
            }
            Err(StoreError::OutcomeUnknown(cause)) => {
                let events = self.authorities.iter().map(|authority| authority.event.id).collect();
                *doubt = Some(Doubt { events, done: done(true), cause });
                Err(Again::InDoubt.into())
            }
            Err(error) => Err(error),
        }
    }
}

/// The steps of a write that are known beforehand.
struct AtOnce<'a, T> {
    add: &'a (dyn Fn(&mut Steps, Option<usize>) -> usize + Send + Sync),
    /// The result, by whether the deciding step changed anything.
    done: fn(bool) -> T,
}

fn has_any(counts: &[u64], place: usize) -> bool {
    counts.get(place).is_some_and(|count| *count > 0)
}

impl AuthorizedWrite<'_> {
    /// Runs steps that are known beforehand, in one round trip if there is a network. `add` adds them after the
    /// preconditions, and returns the place of the one that decides whether anything changes. Returns whether it did.
    pub(super) async fn steps(
        self,
        add: impl Fn(&mut Steps, Option<usize>) -> usize + Send + Sync,
    ) -> Result<bool, StoreError> {
        let at_once = AtOnce { add: &add, done: std::convert::identity };
        let write = self.0;
        write
            .run_and_record(
                |transaction| {
                    let mut steps = Steps::default();
                    let decides = add(&mut steps, None);
                    Box::pin(async move { Ok(has_any(&steps.run(transaction).await?, decides)) })
                },
                Err,
                Some(at_once),
                |has_changed| *has_changed,
            )
            .await
    }

    /// Runs one statement. Returns whether it changed anything.
    pub(super) async fn execute(self, statement: Statement) -> Result<bool, StoreError> {
        self.run(|transaction| Box::pin(execute(transaction, statement.clone()))).await
    }

    /// Like [`Write::run`].
    pub(super) async fn run<'w, T: Outcome>(
        self,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'w)) -> BoxFuture<'t, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.run_or(work, Err).await
    }

    /// Like [`Write::run`], where `of_failure` says which failures of `work` are results: nothing is changed then, either.
    pub(super) async fn run_or<'w, T: Outcome>(
        self,
        work: impl for<'t> Fn(&'t mut (dyn Transaction + 'w)) -> BoxFuture<'t, Result<T, StoreError>>,
        of_failure: fn(StoreError) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.run_and_record(work, of_failure, None, T::has_changed_anything).await
    }
}

async fn execute(transaction: &mut dyn Transaction, statement: Statement) -> Result<bool, StoreError> {
    Ok(transaction.execute(statement).await? > 0)
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

/// The version that was made, if any was.
impl Outcome for Option<Version> {
    fn has_changed_anything(&self) -> bool {
        self.is_some()
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

impl Outcome for TokenInsertion {
    fn has_changed_anything(&self) -> bool {
        *self == Self::Inserted
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

/// A commit with an unknown outcome.
struct Doubt<T> {
    /// The audit events that only this transaction wrote. Work that records none is idempotent: repeating it changes
    /// nothing that matters, or it is not repeated in doubt.
    events: Vec<Uuid>,
    /// The result, if the commit succeeded.
    done: T,
    cause: Box<dyn Error + Send + Sync>,
}
