//! Retries of work that failed through no fault of its own.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ports::{Clock, Deadline, Entropy, StoreError};

/// Maximum pause before the first retry; it doubles with each retry.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// After how many violated constraints to stop: nearly always another writer was faster, and the next attempt sees its
/// result. If it is no race, retrying ends soon.
const ROUNDS_FOR_A_CONSTRAINT: u32 = 3;

/// Why the same work may succeed on a retry. In all cases but the last, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "the embedded database has one writer at a time"))]
pub(in crate::store) enum Again {
    /// A conflict with another transaction.
    #[error("another transaction conflicted")]
    Conflict(#[source] Box<dyn Error + Send + Sync>),
    /// Racing transactions can show as a violated constraint.
    #[error("a constraint of the database does not hold")]
    Constraint(#[source] Box<dyn Error + Send + Sync>),
    /// The connection was lost; another one may work.
    #[error("the connection to the database was lost")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    /// It is unknown whether the commit succeeded, but can be looked up.
    #[error("the outcome of a commit is in doubt")]
    InDoubt,
}

impl Again {
    /// The reason to retry that an error carries, if any.
    fn of(error: &StoreError) -> Option<&Self> {
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

/// The attempts of one piece of work.
pub(super) struct Rounds<'a> {
    /// With retries, the time after which no attempt begins.
    retries: Option<(&'a Retries, Instant)>,
    begun: u32,
    constraints: u32,
}

impl<'a> Rounds<'a> {
    /// Begins the first attempt, with the caller's deadline. Without retries it is the only one.
    pub(super) fn begin(retries: Option<&'a Retries>, deadline: Option<Deadline>) -> Self {
        let retries = retries.map(|retries| {
            let until = retries.clock.instant() + retries.patience;
            (retries, deadline.map_or(until, |deadline| until.min(deadline.instant())))
        });
        Self { retries, begun: 0, constraints: 0 }
    }

    /// Returns, after an error, whether to try again now. Sleeps before it returns true.
    pub(super) async fn next_after(&mut self, error: &StoreError) -> bool {
        let Some(again) = Again::of(error) else { return false };
        if matches!(again, Again::Constraint(_)) {
            self.constraints += 1;
        }
        let Some((retries, until)) = self.retries else { return false };
        let pause = retries.pause(self.begun);
        let is_over = retries.clock.instant() + pause > until;
        if is_over || self.constraints == ROUNDS_FOR_A_CONSTRAINT {
            return false;
        }
        self.begun += 1;
        tokio::time::sleep(pause).await;
        true
    }
}

impl Retries {
    /// A random pause up to the maximum of that attempt.
    fn pause(&self, round: u32) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << round.min(16)).min(LONGEST_PAUSE);
        let mut random = [0; 4];
        self.entropy.fill(&mut random);
        longest.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
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

    fn conflict() -> StoreError {
        Again::Conflict("40001".into()).into()
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_are_random_below_it() {
        let longest = retries(0xff, Duration::ZERO);
        let pauses = [0, 1, 2, 6, 40].map(|round| longest.pause(round).as_millis());
        assert_eq!(pauses, [4, 8, 16, 250, 250]);
        assert_eq!(retries(0, Duration::ZERO).pause(40), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_can_not_change_is_not_done_again() {
        let patient = retries(0, Duration::from_mins(1));
        let mut rounds = Rounds::begin(Some(&patient), None);
        for error in [
            StoreError::Unavailable("x".into()),
            StoreError::OutcomeUnknown("x".into()),
            StoreError::Damaged("x".into()),
        ] {
            assert!(!rounds.next_after(&error).await, "{error:?}");
        }
        assert!(rounds.next_after(&conflict()).await);
        assert!(!Rounds::begin(None, None).next_after(&conflict()).await);
    }

    #[tokio::test]
    async fn a_constraint_that_never_holds_ends_soon() {
        let patient = retries(0, Duration::from_mins(1));
        let mut rounds = Rounds::begin(Some(&patient), None);
        let constraint = || Again::Constraint("23505".into()).into();
        assert!(rounds.next_after(&constraint()).await && rounds.next_after(&constraint()).await);
        assert!(!rounds.next_after(&constraint()).await);
    }

    #[tokio::test]
    async fn patience_ends() {
        let impatient = retries(0xff, Duration::ZERO);
        assert!(!Rounds::begin(Some(&impatient), None).next_after(&conflict()).await);
    }
    #[tokio::test]
    async fn nobody_is_kept_waiting_beyond_the_deadline() {
        let patient = retries(0, Duration::from_mins(1));
        let now = patient.clock.instant();
        assert!(!Rounds::begin(Some(&patient), Some(Deadline::at(now))).next_after(&conflict()).await);
        let later = Deadline::at(now + Duration::from_mins(1));
        assert!(Rounds::begin(Some(&patient), Some(later)).next_after(&conflict()).await);
    }
}
