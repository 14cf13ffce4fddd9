use super::CHARACTER;
use crate::policy::finding::Finding;
use crate::policy::rule::Rule;

/// The most code points.
pub(crate) struct MaxLength(pub(crate) usize);

impl Rule for MaxLength {
    fn id(&self) -> &'static str {
        "MAX_LENGTH"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let found = password.chars().count();
        (found > self.0).then_some(Finding::TooMany { of: CHARACTER, maximum: self.0, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn code_points_are_counted() {
        assert_tells(
            &MaxLength(3),
            &[
                ("", ""),
                ("abc", ""),
                ("\u{1f914}\u{1f914}\u{1f914}", ""),
                ("abcd", "at most 3 characters are allowed, found 4"),
            ],
        );
    }
}
