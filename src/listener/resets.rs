//! Limits how many calls a peer may cancel, to detect a flood.

use std::time::{Duration, Instant};

use super::MAX_CONCURRENT_STREAMS;

/// Number of calls that may be cancelled at once: several connections' worth, since a proxy carries the calls of many
/// clients, which may all cancel at the same moment.
const AT_ONCE: u32 = 4 * MAX_CONCURRENT_STREAMS;
/// Number of further calls in each second: as many as may be open.
const EACH_SECOND: u32 = MAX_CONCURRENT_STREAMS;
/// Number of further calls tolerated while the connection closes, which a flooding peer may delay.
const WHILE_CLOSING: u32 = MAX_CONCURRENT_STREAMS;

/// What the number of cancelled calls means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Normal: callers change their minds.
    Usual,
    /// A flood: the peer opens calls only to cancel them (CVE-2023-44487). The connection accepts no new calls.
    Flood,
    /// The flood goes on: the connection is cut.
    Relentless,
}

/// The recently cancelled calls of one connection.
#[derive(Debug)]
pub(super) struct Resets {
    lately: u32,
    counted: Instant,
}

impl Resets {
    pub(super) const fn new(now: Instant) -> Self {
        Self { lately: 0, counted: now }
    }

    /// Counts one more cancelled call.
    pub(super) fn count(&mut self, now: Instant) -> Verdict {
        let passed = now.saturating_duration_since(self.counted).min(Duration::from_mins(1));
        let forgotten = u32::try_from(passed.as_millis()).unwrap_or(u32::MAX).saturating_mul(EACH_SECOND) / 1000;
        // A fraction of a call is kept for the next count.
        if forgotten > 0 {
            self.lately = self.lately.saturating_sub(forgotten);
            self.counted = now;
        }
        self.lately = self.lately.saturating_add(1);
        match self.lately {
            0..=AT_ONCE => Verdict::Usual,
            _ if self.lately <= AT_ONCE + WHILE_CLOSING => Verdict::Flood,
            _ => Verdict::Relentless,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemClock;
    use crate::ports::Clock;

    #[test]
    fn as_many_as_may_be_open_can_be_given_up_in_each_second_for_ever() {
        let start = SystemClock.instant();
        let mut resets = Resets::new(start);
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            for _ in 0..EACH_SECOND {
                assert_eq!(resets.count(now), Verdict::Usual, "in second {second}");
            }
        }
    }

    #[test]
    fn more_than_that_is_a_flood_and_in_the_end_relentless() {
        let start = SystemClock.instant();
        let mut resets = Resets::new(start);
        let verdicts: Vec<_> = (0..=AT_ONCE + WHILE_CLOSING).map(|_| resets.count(start)).collect();
        let first = |verdict| verdicts.iter().position(|found| *found == verdict);
        assert_eq!(first(Verdict::Flood), usize::try_from(AT_ONCE).ok());
        assert_eq!(first(Verdict::Relentless), usize::try_from(AT_ONCE + WHILE_CLOSING).ok());
    }

    #[test]
    fn twice_as_many_in_each_second_are_a_flood() {
        let start = SystemClock.instant();
        let mut resets = Resets::new(start);
        let flood = (0..20 * EACH_SECOND).find(|number| {
            let now = start + Duration::from_millis(u64::from(number * 1000 / (2 * EACH_SECOND)));
            resets.count(now) == Verdict::Flood
        });
        assert!(flood.is_some());
    }
}
