//! A clock that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use credentiald::ambient::SystemClock;
use credentiald::domain::time::Timestamp;
use credentiald::ports::Clock;

/// The machine's clock, or one that stands still, and how far a test has moved it. Clones move together.
#[derive(Clone, Default)]
pub struct MovedClock {
    stands_at: Option<Timestamp>,
    moved: Arc<AtomicI64>,
}

impl MovedClock {
    /// A clock that only the test moves: however long a test takes, no wait is over.
    pub fn stopped() -> Self {
        Self { stands_at: Some(SystemClock.now()), ..Self::default() }
    }

    pub fn forward(&self, by: Duration) {
        self.moved.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn back(&self, by: Duration) {
        self.moved.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let now = self.stands_at.unwrap_or_else(|| SystemClock.now());
        Timestamp::from_micros(now.as_micros() + self.moved.load(Ordering::SeqCst))
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
}
