use super::CHARACTER;
use crate::policy::finding::Finding;
use crate::policy::rule::Rule;

/// The fewest code points.
pub(crate) struct MinLength(pub(crate) usize);

impl Rule for MinLength {
    fn id(&self) -> &'static str {
        "MIN_LENGTH"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let found = password.chars().count();
        (found < self.0).then_some(Finding::TooFew { of: CHARACTER, minimum: self.0, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn code_points_are_counted() {
        assert_tells(
            &MinLength(3),
            &[
                ("", "at least 3 characters are required, found 0"),
                ("ab", "at least 3 characters are required, found 2"),
                ("abc", ""),
                ("\u{1f914}\u{e9}", "at least 3 characters are required, found 2"),
                ("\u{1f914}\u{e9} ", ""),
            ],
        );
    }
}
