//! Points in time and windows, both passed as arguments: the domain has no clock.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A point in time: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first and the last point of the years 1 to 9999. RFC 3339, and so the JSON of messages, has no others.
    const CALENDAR: RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

    /// The point that many microseconds after 1970-01-01 UTC, if it is within the years 1 to 9999. Times from outside
    /// MUST be.
    pub fn of_calendar(micros: i64) -> Option<Self> {
        Self::CALENDAR.contains(&micros).then_some(Self(micros))
    }

    /// The nearest point within the years 1 to 9999.
    #[must_use]
    pub fn within_calendar(self) -> Self {
        Self(self.0.clamp(*Self::CALENDAR.start(), *Self::CALENDAR.end()))
    }

    /// The point that many microseconds after 1970-01-01 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The point that is `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The point that is `duration` earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time since `earlier`, or `None` if this is before it.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.checked_sub(earlier.0)?).ok().map(Duration::from_micros)
    }
}

/// RFC 3339 in UTC, to the microsecond.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400_000_000;
        let (days, micros) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        // From days to a date of the Gregorian calendar: years begin in March, so that a leap day is the last of one.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let micros = micros % 1_000_000;
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// A span of time, stored as its start and its length, so that a clock that jumps can't make it longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it starts.
    pub start: Timestamp,
    /// How long it is.
    pub length: Duration,
}

impl Window {
    /// How far the clocks of two replicas may be apart.
    pub const LEEWAY: Duration = Duration::from_secs(10);

    /// The window that ends `length` after now. It starts a little earlier, because another replica's clock may be
    /// behind.
    pub fn from(now: Timestamp, length: Duration) -> Self {
        Self { start: now.before(Self::LEEWAY), length: length.saturating_add(Self::LEEWAY) }
    }

    /// The same window, ending at most `length` after it was opened.
    #[must_use]
    pub fn at_most(self, length: Duration) -> Self {
        Self { length: self.length.min(length.saturating_add(Self::LEEWAY)), ..self }
    }

    /// Whether it is still open. If the clock is behind its start, it is over.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now.since(self.start).is_some_and(|elapsed| elapsed < self.length)
    }

    /// When it ends.
    pub fn end(&self) -> Timestamp {
        self.start.after(self.length)
    }
}

/// That many days.
pub const fn days(count: u32) -> Duration {
    Duration::from_secs(count as u64 * 24 * 60 * 60)
}

/// That many minutes.
pub const fn minutes(count: u32) -> Duration {
    Duration::from_secs(count as u64 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outside_of_the_years_1_to_9999_is_refused_from_outside_and_shown_as_the_nearest() {
        let (first, last) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
        for micros in [first, 0, last] {
            assert_eq!(Timestamp::of_calendar(micros), Some(Timestamp(micros)));
            assert_eq!(Timestamp(micros).within_calendar(), Timestamp(micros));
        }
        for (micros, nearest) in [(first - 1, first), (i64::MIN, first), (last + 1, last), (i64::MAX, last)] {
            assert_eq!(Timestamp::of_calendar(micros), None);
            assert_eq!(Timestamp(micros).within_calendar(), Timestamp(nearest));
        }
    }

    #[test]
    fn a_time_is_shown_in_utc() {
        let table = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199_000_001, "2024-02-29T23:59:59.000001Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ];
        for (micros, shown) in table {
            assert_eq!(Timestamp(micros).to_string(), shown);
        }
    }

    #[test]
    fn a_window_ends_on_time_and_is_over_for_a_clock_behind_its_start() {
        let now = Timestamp::from_micros(1_000_000_000);
        let window = Window::from(now, minutes(1));
        assert_eq!(window.end(), now.after(minutes(1)));
        let table = [
            (now, true),
            (now.after(Duration::from_micros(59_999_999)), true),
            (now.after(minutes(1)), false),
            (now.after(days(1)), false),
            // A replica whose clock is a little behind, and a clock that jumped.
            (now.before(Duration::from_secs(9)), true),
            (now.before(Duration::from_secs(11)), false),
            (now.before(days(1)), false),
        ];
        for (at, open) in table {
            assert_eq!(window.is_open(at), open, "{at:?}");
        }
    }
}
