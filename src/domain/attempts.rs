//! Attempts on a password, and the waits that follow wrong ones.

use std::time::Duration;

use super::time::{Timestamp, days};

/// How long a wrong password counts: far longer than any wait.
pub const COUNTED_FOR: Duration = days(7);

/// How many pairs of one subject are counted, the latest: enough to slow the subject whatever its allowance is.
pub const KEPT_PAIRS: u32 = 1000;

/// The key that attempts are counted by: a digest over the subject's id, or over its tenant's id and its name if there
/// is no such subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectKey(pub [u8; 32]);

/// The key of the caller: a digest over its tenant, kind and name, and over the origin that it gave, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallerKey(pub [u8; 32]);

/// A caller, with the origin that it gave, and the subject whose password it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The subject whose password is tried.
    pub subject: SubjectKey,
    /// The key that attempts on the subject's name were counted by before the subject was created, if it now exists:
    /// they count as well, so that creating the subject ends no wait.
    pub name: Option<SubjectKey>,
    /// The caller and the origin.
    pub caller: CallerKey,
}

/// Whose wrong passwords a change forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// The pair's: the caller has given the right password.
    Pair(Pair),
    /// All callers' for the subject of that pair: an administrator has set a new password.
    Subject(Pair),
}

impl Pair {
    /// The same caller with each key that the subject's attempts are counted by.
    pub fn each(&self) -> impl Iterator<Item = Self> + use<> {
        let Self { subject, name, caller } = *self;
        std::iter::once(subject).chain(name).map(move |subject| Self { subject, name: None, caller })
    }
}

/// Wrong passwords in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// The count.
    pub count: u32,
    /// The time of the last one, if there is one.
    pub last_at: Option<Timestamp>,
}

impl Failures {
    /// The sum of both.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self { count: self.count.saturating_add(others.count), last_at: self.last_at.max(others.last_at) }
    }
}

/// The stored attempts on a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredFailures {
    /// By this caller.
    pub by_caller: Failures,
    /// By all callers together.
    pub by_all: Failures,
}

impl StoredFailures {
    /// The part that still counts. The store removes the rest later.
    #[must_use]
    pub fn counting(self, now: Timestamp) -> Self {
        let counting = |failures: Failures| {
            let since = failures.last_at.and_then(|last_at| now.since(last_at));
            if since.is_some_and(|since| since > COUNTED_FOR) { Failures::default() } else { failures }
        };
        Self { by_caller: counting(self.by_caller), by_all: counting(self.by_all) }
    }
}

/// How many wrong passwords in a row are free, and how long the wait is after each further one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wrong passwords in a row that cost no wait.
    pub allowance: u32,
    /// The wait once the allowance is used up. It doubles with each further failure.
    pub initial: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after that many failures in a row.
    pub fn length(&self, failures: u32) -> Duration {
        if failures < self.allowance {
            return Duration::ZERO;
        }
        let doublings = (failures - self.allowance).min(31);
        self.initial.saturating_mul(1 << doublings).min(self.longest)
    }

    /// How much of the wait remains. If the clock is behind the wait's start, the wait begins again, at most at its own
    /// length.
    pub fn remaining(&self, failures: Failures, now: Timestamp) -> Duration {
        let length = self.length(failures.count);
        match failures.last_at.map(|start| now.since(start)) {
            None => Duration::ZERO,
            Some(Some(elapsed)) => length.saturating_sub(elapsed),
            Some(None) => length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { allowance: 5, initial: Duration::from_secs(1), longest: Duration::from_mins(1) };

    #[test]
    fn the_wait_doubles_and_is_capped() {
        let seconds: Vec<u64> =
            [0, 4, 5, 6, 7, 10, 11, 50, u32::MAX].map(|count| BACKOFF.length(count).as_secs()).to_vec();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn a_clock_that_jumps_back_starts_the_wait_again_at_its_own_length() {
        let failures = Failures { count: 6, last_at: Some(Timestamp::from_micros(10_000_000)) };
        let left = |micros| BACKOFF.remaining(failures, Timestamp::from_micros(micros));
        assert_eq!(left(10_500_000), Duration::from_millis(1500));
        assert_eq!(left(12_000_000), Duration::ZERO);
        assert_eq!(left(-86_400_000_000), Duration::from_secs(2));
    }
    #[test]
    fn what_is_more_than_a_week_old_does_not_count() {
        let failures = |count, last_at| Failures { count, last_at: Some(last_at) };
        let (old, start) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        let stored = StoredFailures { by_caller: failures(3, old), by_all: failures(4, start) };
        assert_eq!(stored.counting(old.after(COUNTED_FOR)), stored);
        let later = StoredFailures { by_caller: Failures::default(), ..stored };
        assert_eq!(stored.counting(start.after(COUNTED_FOR)), later);
        assert_eq!(stored.counting(start.before(days(30))), stored, "a clock that was set back");
    }
}
