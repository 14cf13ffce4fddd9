//! Points in time and durations.

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp as WireTimestamp};

use crate::domain::access_token::MAX_TIME_TO_LIVE;
use crate::domain::field::FieldProblem;
use crate::domain::time::Timestamp;

/// A point in time as messages hold it. An import of an earlier version may have stored a time that no client can read
/// as JSON, which would make the whole list unreadable: it is replaced by the nearest readable time.
pub(in crate::grpc) fn timestamp(time: Timestamp) -> WireTimestamp {
    let micros = time.within_calendar().as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0) * 1000;
    WireTimestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// The point in time in a message, to the microsecond.
pub(in crate::grpc) fn point_in_time(time: WireTimestamp) -> Result<Timestamp, FieldProblem> {
    let micros = || {
        let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        time.seconds.checked_mul(1_000_000)?.checked_add((nanos / 1000).into())
    };
    let time = micros().and_then(Timestamp::of_calendar);
    time.ok_or(FieldProblem::Malformed { expected: "must be a point in time within the years 1 to 9999" })
}

/// How long an access token is valid.
pub(in crate::grpc) fn time_to_live(duration: WireDuration) -> Result<Duration, FieldProblem> {
    let allowed = positive(duration).filter(|duration| *duration <= MAX_TIME_TO_LIVE);
    allowed.ok_or(FieldProblem::Malformed { expected: "must be more than nothing and at most 366 days" })
}

/// By hand, because the conversion that `prost_types` has overflows on extreme values.
fn positive(duration: WireDuration) -> Option<Duration> {
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let duration = Duration::new(u64::try_from(duration.seconds).ok()?, nanos);
    (!duration.is_zero()).then_some(duration)
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
    fn a_time_that_an_earlier_version_stored_can_be_read_as_json() {
        let seconds = |micros| timestamp(Timestamp::from_micros(micros)).seconds;
        assert_eq!([seconds(i64::MIN), seconds(i64::MAX)], [-62_135_596_800, 253_402_300_799]);
    }

    #[test]
    fn a_point_in_time_is_read_back() {
        for micros in [0, -1, 1_500_000, -62_135_596_800_000_000] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(point_in_time(timestamp(time)), Ok(time));
        }
        let outside = [(-62_135_596_801, 999_999_999), (253_402_300_800, 0)];
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)].into_iter().chain(outside) {
            assert!(point_in_time(WireTimestamp { seconds, nanos }).is_err(), "{seconds} {nanos}");
        }
    }

    #[test]
    fn a_token_lives_for_at_most_366_days() {
        let lives = |seconds, nanos| time_to_live(WireDuration { seconds, nanos }).ok();
        assert_eq!(lives(1, 0), Some(Duration::from_secs(1)));
        assert_eq!(lives(366 * 86_400, 0), Some(MAX_TIME_TO_LIVE));
        for (seconds, nanos) in
            [(0, 0), (-1, 0), (0, -1), (366 * 86_400, 1), (i64::MAX, i32::MAX), (i64::MIN, i32::MIN)]
        {
            assert_eq!(lives(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
