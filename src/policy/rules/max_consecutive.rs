use crate::policy::finding::{Finding, Noun};
use crate::policy::rule::Rule;

/// The longest run of one code point (Huawei IAM `maximum_consecutive_identical_chars`).
pub(crate) struct MaxConsecutive(pub(crate) usize);

impl Rule for MaxConsecutive {
    fn id(&self) -> &'static str {
        "MAX_CONSECUTIVE_IDENTICAL"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let found = longest_run(password);
        let of = Noun { one: "identical character in a row", many: "identical characters in a row" };
        (found > self.0).then_some(Finding::TooMany { of, maximum: self.0, found })
    }
}

fn longest_run(password: &str) -> usize {
    let (mut longest, mut run, mut previous) = (0, 0, None);
    for character in password.chars() {
        run = if previous == Some(character) { run + 1 } else { 1 };
        longest = longest.max(run);
        previous = Some(character);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn the_longest_run_counts() {
        assert_tells(
            &MaxConsecutive(2),
            &[
                ("", ""),
                ("aabbaa", ""),
                ("aAa", ""),
                ("abbb", "at most 2 identical characters in a row are allowed, found 3"),
                ("aaaabb", "at most 2 identical characters in a row are allowed, found 4"),
            ],
        );
        assert_tells(
            &MaxConsecutive(1),
            &[("abab", ""), ("abb", "at most 1 identical character in a row is allowed, found 2")],
        );
    }
}
