//! Retries of work that failed through no fault of its own.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;

use crate::ports::meter::RetryCause;
use crate::ports::{Clock, Deadline, Entropy, StoreError, retries};

/// Why the same work may succeed on a retry. In all cases but the last, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "the embedded database has one writer at a time"))]
pub(in crate::store) enum Again {
    /// A conflict with another transaction.
    #[error("another transaction conflicted")]
    Conflict(#[source] Box<dyn Error + Send + Sync>),
    /// Racing transactions can show as a violated constraint.
    #[error("a constraint of the database is violated")]
    Constraint(#[source] Box<dyn Error + Send + Sync>),
    /// The connection was lost; another one may work.
    #[error("the connection to the database was lost")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    /// It is unknown whether the commit succeeded, but can be looked up.
    #[error("the outcome of a commit is in doubt")]
    InDoubt,
}

impl Again {
    pub(super) const fn cause(&self) -> RetryCause {
        match self {
            Self::Conflict(_) => RetryCause::Conflict,
            Self::Constraint(_) => RetryCause::Constraint,
            Self::Lost(_) => RetryCause::Lost,
            Self::InDoubt => RetryCause::InDoubt,
        }
    }

    /// The reason to retry that an error carries, if any.
    pub(super) fn of(error: &StoreError) -> Option<&Self> {
        match error {
            StoreError::Unavailable(cause) => cause.downcast_ref(),
            StoreError::OutcomeUnknown(_)
            | StoreError::EvidenceGone
            | StoreError::TenantGone
            | StoreError::Damaged(_) => None,
        }
    }
}

impl From<Again> for StoreError {
    fn from(again: Again) -> Self {
        Self::Unavailable(Box::new(again))
    }
}

/// How long to retry. Pauses are random, so that transactions that collided do not collide again.
pub(in crate::store) struct Retries {
    pub(in crate::store) clock: Arc<dyn Clock>,
    pub(in crate::store) entropy: Arc<dyn Entropy>,
    /// No attempt begins later than this after the first.
    pub(in crate::store) patience: Duration,
}

impl Retries {
    /// The pauses of work that begins now, with the caller's deadline.
    pub(super) fn pauses(&self, deadline: Option<Deadline>) -> impl Iterator<Item = Duration> {
        let until = self.clock.instant() + self.patience;
        let until = deadline.map_or(until, |deadline| until.min(deadline.instant()));
        retries::until(retries::random(retries::TRANSACTION.build(), &*self.entropy), &*self.clock, until)
    }
}

/// Tells of each error of the same work whether to try again.
pub(super) fn is_worth_retrying() -> impl FnMut(&StoreError) -> bool {
    let mut constraints = 0;
    move |error| match Again::of(error) {
        Some(Again::Constraint(_)) => {
            constraints += 1;
            constraints < retries::TRIES_OF_A_CONSTRAINT
        }
        again => again.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemClock;

    struct Bytes(u8);

    impl Entropy for Bytes {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn retries(entropy: u8, patience: Duration) -> Retries {
        Retries { clock: Arc::new(SystemClock), entropy: Arc::new(Bytes(entropy)), patience }
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_are_random_below_it() {
        let pauses = |entropy| {
            let retries = retries(entropy, Duration::from_mins(1));
            let pauses: Vec<_> = retries.pauses(None).take(41).map(|pause| pause.as_millis()).collect();
            [0, 1, 2, 6, 40].map(|round| pauses[round])
        };
        assert_eq!(pauses(0xff), [4, 8, 16, 250, 250]);
        assert_eq!(pauses(0), [0; 5]);
    }

    #[test]
    fn what_can_not_change_is_not_done_again() {
        let mut is_worth_retrying = is_worth_retrying();
        for error in [
            StoreError::Unavailable("x".into()),
            StoreError::OutcomeUnknown("x".into()),
            StoreError::Damaged("x".into()),
        ] {
            assert!(!is_worth_retrying(&error), "{error:?}");
        }
        assert!(is_worth_retrying(&Again::Conflict("40001".into()).into()));
    }

    #[test]
    fn a_constraint_that_never_holds_ends_soon() {
        let mut is_worth_retrying = is_worth_retrying();
        let mut constraint = || is_worth_retrying(&Again::Constraint("23505".into()).into());
        assert_eq!([constraint(), constraint(), constraint()], [true, true, false]);
    }

    #[test]
    fn patience_ends() {
        assert_eq!(retries(0xff, Duration::ZERO).pauses(None).next(), None);
    }

    #[test]
    fn no_retry_begins_after_the_deadline() {
        let patient = retries(1, Duration::from_mins(1));
        let now = patient.clock.instant();
        assert_eq!(patient.pauses(Some(Deadline::at(now))).next(), None);
        assert!(patient.pauses(Some(Deadline::at(now + Duration::from_mins(1)))).next().is_some());
    }
}
