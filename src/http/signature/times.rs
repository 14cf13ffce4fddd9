//! The times of signed requests, always in UTC.

use crate::domain::time::Timestamp;

/// `YYYY-MM-DDThh:mm:ssZ`, with or without fractions of a second, which are not used.
pub(super) fn extended(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if is_fraction { of_form(whole, "0000-00-00T00:00:00") } else { None }
}

/// `YYYYMMDDThhmmssZ`.
pub(super) fn basic(text: &str) -> Option<Timestamp> {
    of_form(text.strip_suffix('Z')?, "00000000T000000")
}

/// Reads a text that has a digit where the form has one, and otherwise what the form has.
fn of_form(text: &str, form: &str) -> Option<Timestamp> {
    let fits = |(byte, of_form): (u8, u8)| if of_form == b'0' { byte.is_ascii_digit() } else { byte == of_form };
    if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(fits) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |from: usize, to: usize| digits.get(from..to)?.parse().ok();
    timestamp([number(0, 4)?, number(4, 6)?, number(6, 8)?, number(8, 10)?, number(10, 12)?, number(12, 14)?])
}

/// The point in time of a date of the Gregorian calendar, to the second.
fn timestamp([year, month, day, hour, minute, second]: [i64; 6]) -> Option<Timestamp> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || year == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01, with years that begin in March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Timestamp::of_calendar(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_to_the_second() {
        let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-02T03:04:05Z", 1_767_323_045),
            ("2024-02-29T23:59:59Z", 1_709_251_199),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2026-01-02T03:04:05.054746210Z", 1_767_323_045),
        ] {
            assert_eq!(extended(text), at(seconds), "{text}");
        }
        assert_eq!(basic("20260102T030405Z"), at(1_767_323_045));
    }

    #[test]
    fn a_date_in_a_wrong_form_is_refused() {
        for text in [
            "",
            "Z",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05+00:00",
            "2026-1-2T03:04:05Z",
            "2026-01-02T03:04Z",
            "2026-13-02T03:04:05Z",
            "2026-00-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2026-01-00T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:60:05Z",
            "2026-01-02T03:04:60Z",
            "0000-01-02T03:04:05Z",
            "+026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.1x1Z",
            "2026-01-02T03:04:05.1.1Z",
            "2026-01-02-01T03:04:05Z",
            " 2026-01-02T03:04:05Z",
            "20260102T030405Z",
            "Fri, 02 Jan 2026 03:04:05 GMT",
        ] {
            assert_eq!(extended(text), None, "{text}");
        }
        for text in [
            "",
            "20260102T030405",
            "2026-01-02T03:04:05Z",
            "20260102T0304Z",
            "2026010203T0405Z",
            "2026010\u{e4}T03040Z",
        ] {
            assert_eq!(basic(text), None, "{text}");
        }
    }
}
