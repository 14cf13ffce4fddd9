//! What faults and loads are drawn from, so that a seed draws the same again.

use std::ops::Range;
use std::time::Duration;

/// A sequence of numbers that a seed decides.
#[derive(Debug, Clone)]
pub struct Random(fastrand::Rng);

impl Random {
    /// The sequence of that name.
    pub fn named(seed: u64, name: &str) -> Self {
        let seed = name.bytes().fold(seed, |state, byte| fastrand::Rng::with_seed(state ^ u64::from(byte)).u64(..));
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Another sequence, which this one decides.
    pub fn split(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// A number of that range, which is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        self.0.u64(range)
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.within(range.start * 1000..range.end * 1000))
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.within(0..100) < chance
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        self.0.choice(of).unwrap()
    }
}
