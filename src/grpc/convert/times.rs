//! Points in time and durations.

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp as WireTimestamp};

use crate::domain::access_token::MAX_TIME_TO_LIVE;
use crate::domain::field::FieldProblem;
use crate::domain::time::Timestamp;

/// A point in time as messages hold it.
pub(in crate::grpc) fn timestamp(time: Timestamp) -> WireTimestamp {
    let micros = time.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0) * 1000;
    WireTimestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// How long an access token is to be valid.
pub(in crate::grpc) fn time_to_live(duration: WireDuration) -> Result<Duration, FieldProblem> {
    let duration = Duration::try_from(duration).unwrap_or_default();
    if duration.is_zero() || duration > MAX_TIME_TO_LIVE {
        return Err(FieldProblem::Malformed { expected: "is more than nothing and at most 366 days" });
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_keeps_its_fraction_positive() {
        let wire = timestamp(Timestamp::from_micros(-1));
        assert_eq!((wire.seconds, wire.nanos), (-1, 999_999_000));
        let wire = timestamp(Timestamp::from_micros(1_500_000));
        assert_eq!((wire.seconds, wire.nanos), (1, 500_000_000));
    }

    #[test]
    fn a_token_lives_for_at_most_366_days() {
        let lives = |seconds, nanos| time_to_live(WireDuration { seconds, nanos }).ok();
        assert_eq!(lives(1, 0), Some(Duration::from_secs(1)));
        assert_eq!(lives(366 * 86_400, 0), Some(MAX_TIME_TO_LIVE));
        for (seconds, nanos) in [(0, 0), (-1, 0), (0, -1), (366 * 86_400, 1), (i64::MAX, i32::MAX), (i64::MIN, 0)] {
            assert_eq!(lives(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
