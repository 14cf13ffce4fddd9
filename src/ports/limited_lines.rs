//! Lines of the log that others can cause as often as they like.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How often the same line is written, at most.
const EVERY: Duration = Duration::from_mins(1);

/// Lines that are each written once in a minute, at most. Those that are left out are counted.
#[derive(Debug)]
pub struct LimitedLines<Line>(HashMap<Line, (Instant, u64)>);

impl<Line> Default for LimitedLines<Line> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Line: Eq + Hash> LimitedLines<Line> {
    /// If the line is to be written now: how often it was left out since it was written the last time.
    pub fn due(&mut self, line: Line, now: Instant) -> Option<u64> {
        let Some((written_at, left_out)) = self.0.get_mut(&line) else {
            self.0.insert(line, (now, 0));
            return Some(0);
        };
        if now.saturating_duration_since(*written_at) < EVERY {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        *written_at = now;
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "there is no other way to make an instant")]
    fn each_line_is_written_once_in_a_minute_and_says_how_many_were_left_out() {
        let (mut lines, start) = (LimitedLines::default(), Instant::now());
        let steps = [
            ("a", 0, Some(0)),
            ("a", 0, None),
            ("b", 1, Some(0)),
            ("a", 59, None),
            ("a", 60, Some(2)),
            ("a", 119, None),
        ];
        for (line, seconds, due) in steps {
            assert_eq!(lines.due(line, start + Duration::from_secs(seconds)), due, "{line} after {seconds} s");
        }
        assert_eq!(lines.due("a", start + Duration::from_mins(2)), Some(1));
        assert_eq!(lines.due("b", start + Duration::from_mins(2)), Some(0));
    }
}
