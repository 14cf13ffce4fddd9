//! The time, and the deadline after which the caller no longer wants an answer.

use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;

/// Returns the time.
pub trait Clock: Send + Sync {
    /// The time of day. May jump, also backwards.
    fn now(&self) -> Timestamp;

    /// A monotonic time, for deadlines.
    fn instant(&self) -> Instant;
}

/// The point after which the caller no longer waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline at that instant.
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant of the deadline.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The time until the deadline; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// An earlier deadline: a tenth of the remaining time is reserved for reporting the outcome to the caller.
    #[must_use]
    pub fn with_time_to_report(self, now: Instant) -> Self {
        Self(self.0.checked_sub(self.remaining(now) / 10).unwrap_or(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "there is no other instant to begin with")]
    fn a_tenth_of_what_is_left_remains_with_time_to_report() {
        let now = Instant::now();
        let deadline = |seconds| Deadline::at(now + Duration::from_secs(seconds));
        assert_eq!(deadline(10).with_time_to_report(now), deadline(9));
        assert_eq!(deadline(0).with_time_to_report(now), deadline(0));
    }
}
