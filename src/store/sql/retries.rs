//! Doing work again that came to nothing through no fault of its own.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ports::{Clock, Deadline, Entropy, StoreError};

/// The longest pause of the first round; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How often work is done again whose constraint does not hold: nearly always somebody else was faster, and the next
/// round sees it. Where it is no race, it ends soon.
const ROUNDS_FOR_A_CONSTRAINT: u32 = 3;

/// Why the same work may succeed when it is done again. But for the last, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nobody comes in between in the embedded database"))]
pub(in crate::store) enum Again {
    /// Somebody else's transaction came in between.
    #[error("somebody else's transaction came in between")]
    Conflict(#[source] Box<dyn Error + Send + Sync>),
    /// Where transactions race, this can be how it shows.
    #[error("a constraint of the database does not hold")]
    Constraint(#[source] Box<dyn Error + Send + Sync>),
    /// The connection was lost; there may be another.
    #[error("the connection to the database was lost")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    /// Whether a commit was made is not known, but can be found out.
    #[error("the outcome of a commit is in doubt")]
    InDoubt,
}

impl Again {
    /// What an error has to say about it.
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

/// How long work is done again. Pauses are random, so that those who collided do not meet again.
pub(in crate::store) struct Retries {
    pub(in crate::store) clock: Arc<dyn Clock>,
    pub(in crate::store) entropy: Arc<dyn Entropy>,
    /// No round begins when this has passed since the first.
    pub(in crate::store) patience: Duration,
}

/// The rounds of one piece of work.
pub(super) struct Rounds<'a> {
    /// With them, the point after which no further one begins.
    retries: Option<(&'a Retries, Instant)>,
    begun: u32,
    constraints: u32,
}

impl<'a> Rounds<'a> {
    /// The first round begins, for somebody who waits until then. Without retries it is the only one.
    pub(super) fn begin(retries: Option<&'a Retries>, deadline: Option<Deadline>) -> Self {
        let retries = retries.map(|retries| {
            let until = retries.clock.instant() + retries.patience;
            (retries, deadline.map_or(until, |deadline| until.min(deadline.instant())))
        });
        Self { retries, begun: 0, constraints: 0 }
    }

    /// After an error: whether another round begins now. It is waited for.
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
    /// Anything up to the longest pause of that round.
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
