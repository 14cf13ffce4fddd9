//! The machine's clock, random generator and name: only this module reads them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::names::FreeName;
use crate::domain::time::Timestamp;
use crate::ports::{Clock, Entropy};

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of the port")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the implementation of the port")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The operating system's random generator.
///
/// Panics if the operating system has no generator: a service that makes tokens and salts cannot go on without one, and
/// no caller could do better than stop.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of the port")]
    #[expect(clippy::expect_used, reason = "a weak token or salt would be worse than no service")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system has no random generator");
    }
}

/// The name of the host, as far as its characters are those of a name.
pub fn host_name() -> Option<FreeName> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fitting: String = name.chars().filter(|character| FreeName::parse(&character.to_string()).is_ok()).collect();
    FreeName::parse(&fitting).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_lies_in_this_century() {
        let first_of_january_2025 = Timestamp::from_micros(1_735_689_600_000_000);
        assert!(SystemClock.now() > first_of_january_2025);
    }

    #[test]
    fn two_fills_differ() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut one);
        SystemEntropy.fill(&mut other);
        assert_ne!(one, other);
    }
}
