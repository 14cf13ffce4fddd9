//! What time it is, and when an answer is no longer wanted.

use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time of day. May jump, also backwards.
    fn now(&self) -> Timestamp;

    /// A time that only grows, for deadlines.
    fn instant(&self) -> Instant;
}

/// The point after which the caller no longer waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline at that point.
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The point itself.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// How long it is until then; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// An earlier one: a tenth of the time that is left remains for telling the caller what came of it.
    #[must_use]
    pub fn to_be_told(self, now: Instant) -> Self {
        Self(self.0.checked_sub(self.remaining(now) / 10).unwrap_or(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "there is no other instant to begin with")]
    fn a_tenth_of_what_is_left_remains_to_be_told() {
        let now = Instant::now();
        let deadline = |seconds| Deadline::at(now + Duration::from_secs(seconds));
        assert_eq!(deadline(10).to_be_told(now), deadline(9));
        assert_eq!(deadline(0).to_be_told(now), deadline(0));
    }
}
