//! Attempts on a password, and the waits that follow wrong ones.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::caller::Caller;
use super::time::{Timestamp, Window, days};

/// How long a wrong password counts, unless a limit says otherwise or a number of them stops the caller: far longer than any
/// wait.
pub const COUNTED_FOR: Duration = days(7);

/// How long a stop lasts that no administrator lifts: as long as the audit event of its last wrong password by default.
pub const STOPPED_FOR: Duration = days(400);

/// How many pairs of one subject are kept at most. Half of them are those that failed last, so that a new one is always
/// counted. The other half are the stopped ones, those whose last failure is the oldest first, then those with the most
/// failures: new pairs do not end their waits and stops. A stop beyond these 500 lasts while its pair is among those that
/// failed last. Enough to slow the subject under any allowance.
pub const KEPT_PAIRS: u32 = 1000;

/// The key that attempts are counted by: a digest over the subject's id, or over its tenant's id and its name if there
/// is no such subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectKey(pub [u8; 32]);

/// The key of the caller: a digest over its tenant, kind and name, and over the origin that it gave, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallerKey(pub [u8; 32]);

impl CallerKey {
    /// Parses the form that [`Display`](fmt::Display) writes; `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut key = [0; 32];
        for (place, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *place = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for CallerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

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

/// Whose wrong passwords to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// The pair's: the caller has given the right password, or an administrator clears them.
    Pair(Pair),
    /// All callers' for the subject of that pair: an administrator has set a new password, or clears them.
    Subject(Pair),
}

impl Pair {
    /// The same caller with each key that the subject's attempts are counted by, in the order of the keys: the store locks
    /// them in that order.
    pub fn each(&self) -> impl Iterator<Item = Self> + use<> {
        let Self { subject, name, caller } = *self;
        let (first, second) = match name {
            Some(name) if name.0 < subject.0 => (name, Some(subject)),
            _ => (subject, name),
        };
        std::iter::once(first).chain(second).map(move |subject| Self { subject, name: None, caller })
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

    /// Whether the last one is further ahead of the clock than the clocks of two replicas may be apart: so the clock was set
    /// back since.
    pub fn are_ahead_of(self, now: Timestamp) -> bool {
        self.last_at.is_some_and(|last_at| last_at > now.after(Window::LEEWAY))
    }

    /// The same with the last one now, if it is ahead of the clock: its wait begins again. Otherwise the wait would not pass
    /// until the clock is there again.
    #[must_use]
    pub fn restarted(self, now: Timestamp) -> Self {
        if self.are_ahead_of(now) { Self { last_at: Some(now), ..self } } else { self }
    }
}

/// The stored failures of a pair, as a list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFailures {
    /// The key of the caller and the origin.
    pub key: CallerKey,
    /// The caller; `None` if an earlier version counted them.
    pub caller: Option<Caller>,
    /// The failures.
    pub failures: Failures,
    /// Whether the pair is stopped.
    pub is_stopped: bool,
}

/// The stored attempts on a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredFailures {
    /// By this caller.
    pub by_caller: Failures,
    /// By all callers together that are not stopped.
    pub by_all: Failures,
    /// Whether this caller is stopped: until an administrator clears its failures, or for [`STOPPED_FOR`].
    pub is_stopped: bool,
}

impl StoredFailures {
    /// Whether those of the caller or of all callers are [ahead of the clock](Failures::are_ahead_of).
    pub fn are_ahead_of(&self, now: Timestamp) -> bool {
        self.by_caller.are_ahead_of(now) || self.by_all.are_ahead_of(now)
    }

    /// The part that still counts if the limit of the pair is that one. The store removes the rest later.
    #[must_use]
    pub fn counting(self, now: Timestamp, pair: &Backoff) -> Self {
        let is_over = |failures: Failures, counts_for| {
            let since = failures.last_at.and_then(|last_at| now.since(last_at));
            since.is_some_and(|since| since > counts_for)
        };
        let counting =
            |failures, counts_for| if is_over(failures, counts_for) { Failures::default() } else { failures };
        Self {
            by_caller: counting(self.by_caller, pair.counts_for),
            by_all: counting(self.by_all, COUNTED_FOR),
            is_stopped: self.is_stopped && !is_over(self.by_caller, STOPPED_FOR),
        }
    }
}

/// How many wrong passwords in a row are free, how long the wait is after each further one, and which is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wrong passwords in a row that cost no wait.
    pub allowance: u32,
    /// The wait once the allowance is used up. It doubles with each further failure.
    pub initial: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// How long a wrong password counts: at least as long as the longest wait.
    pub counts_for: Duration,
    /// Wrong passwords in a row after which there is no further attempt; `None` if there is no such number.
    pub stop_after: Option<NonZeroU32>,
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

    /// Whether there is no further attempt after that many failures in a row.
    pub fn stops(&self, failures: u32) -> bool {
        self.stop_after.is_some_and(|most| failures >= most.get())
    }

    /// How many attempts may be under way after that many failures in a row. There is always room for one, because a
    /// wait or a stop refuses it before.
    pub fn room(&self, failures: u32) -> u32 {
        let most = self.stop_after.map_or(self.allowance, |stop| stop.get().min(self.allowance));
        most.saturating_sub(failures).max(1)
    }

    /// How much of the wait remains. If the clock is behind the wait's start, all of it: it passes once the failures are
    /// [restarted](Failures::restarted).
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
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        allowance: 5,
        initial: Duration::from_secs(1),
        longest: Duration::from_mins(1),
        counts_for: COUNTED_FOR,
        stop_after: NonZeroU32::new(100),
    };

    #[test]
    fn the_key_of_a_caller_is_read_as_it_was_written() {
        let mut key = CallerKey([0xa9; 32]);
        key.0[0] = 0;
        let text = key.to_string();
        assert_eq!(CallerKey::parse(&text), Some(key));
        for bad in ["", "00", &text.to_uppercase(), &text.replacen("00", "+0", 1), &format!("{text}0")] {
            assert_eq!(CallerKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_wait_doubles_and_is_capped() {
        let seconds: Vec<u64> =
            [0, 4, 5, 6, 7, 10, 11, 50, u32::MAX].map(|count| BACKOFF.length(count).as_secs()).to_vec();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn parallel_attempts_go_no_further_than_the_allowance_and_the_stop() {
        assert_eq!([0, 4, 5, 99].map(|failures| BACKOFF.room(failures)), [5, 1, 1, 1]);
        let early = Backoff { stop_after: NonZeroU32::new(3), ..BACKOFF };
        assert_eq!([0, 2, 3].map(|failures| early.room(failures)), [3, 1, 1]);
        assert_eq!([2, 3, 4].map(|failures| early.stops(failures)), [false, true, true]);
        assert!(!Backoff { stop_after: None, ..BACKOFF }.stops(u32::MAX));
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
    fn only_failures_further_ahead_than_clocks_are_apart_are_restarted() {
        let last_at = Timestamp::from_micros(0);
        let failures = Failures { count: 6, last_at: Some(last_at) };
        for (now, restarted) in [
            (last_at, failures),
            (last_at.after(days(1)), failures),
            (last_at.before(Window::LEEWAY), failures),
            (last_at.before(days(1)), Failures { last_at: Some(last_at.before(days(1))), ..failures }),
        ] {
            assert_eq!(failures.restarted(now), restarted, "{now:?}");
            assert_eq!(failures.are_ahead_of(now), restarted != failures, "{now:?}");
            for stored in [
                StoredFailures { by_caller: failures, ..StoredFailures::default() },
                StoredFailures { by_all: failures, ..StoredFailures::default() },
            ] {
                assert_eq!(stored.are_ahead_of(now), restarted != failures, "{now:?}");
            }
        }
        assert_eq!(Failures::default().restarted(last_at), Failures::default());
    }

    proptest! {
        /// A guesser asks again and again, and each guess is wrong. Each step takes a time, and sets the clock back by another.
        #[test]
        fn however_a_clock_is_set_back_a_wait_passes_and_is_never_shorter_than_its_length(
            steps in prop::collection::vec((0..20_000_000_i64, prop_oneof![3 => Just(0), 1 => 0..100_000_000_000_i64]), 1..200),
        ) {
            let (mut time, mut off) = (0, 0);
            let mut failures = Failures { count: BACKOFF.allowance, last_at: Some(Timestamp::from_micros(0)) };
            let (mut failed_at, mut over_at) = (Timestamp::from_micros(0), None);
            for (passed, back) in steps {
                time += passed;
                off += back;
                if back > 0 {
                    over_at = None;
                }
                let (right, now) = (Timestamp::from_micros(time), Timestamp::from_micros(time - off));
                let length = BACKOFF.length(failures.count);
                let remaining = BACKOFF.remaining(failures, now);
                prop_assert!(remaining <= length);
                if remaining.is_zero() {
                    prop_assert!(right.since(failed_at) >= Some(length), "a guess too early");
                    failures = Failures { count: failures.count + 1, last_at: Some(now) };
                    (failed_at, over_at) = (right, None);
                } else {
                    prop_assert!(over_at.is_none_or(|over_at| right < over_at), "a wait that does not pass");
                    failures = failures.restarted(now);
                    over_at = over_at.or(Some(right.after(remaining).after(Window::LEEWAY)));
                }
            }
        }
    }

    #[test]
    fn what_is_more_than_a_week_old_does_not_count() {
        let failures = |count, last_at| Failures { count, last_at: Some(last_at) };
        let (old, start) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        let stored =
            StoredFailures { by_caller: failures(3, old), by_all: failures(4, start), ..StoredFailures::default() };
        assert_eq!(stored.counting(old.after(COUNTED_FOR), &BACKOFF), stored);
        let later = StoredFailures { by_caller: Failures::default(), ..stored };
        assert_eq!(stored.counting(start.after(COUNTED_FOR), &BACKOFF), later);
        assert_eq!(stored.counting(start.before(days(30)), &BACKOFF), stored, "a clock that was set back");
    }

    #[test]
    fn a_stop_outlasts_what_is_counted_and_ends_after_400_days() {
        let last_at = Timestamp::from_micros(0);
        let by_caller = Failures { count: 100, last_at: Some(last_at) };
        let stopped = StoredFailures { by_caller, is_stopped: true, ..StoredFailures::default() };
        for (age, is_stopped) in [(days(0), true), (days(30), true), (days(400), true), (days(401), false)] {
            assert_eq!(stopped.counting(last_at.after(age), &BACKOFF).is_stopped, is_stopped, "{age:?}");
        }
    }
}
