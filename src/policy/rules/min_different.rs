use crate::policy::finding::{Finding, Noun};
use crate::policy::rule::Rule;

/// The fewest different code points (IMS `MinimumPasswordDifferentCharacter`).
pub(crate) struct MinDifferent(pub(crate) usize);

impl Rule for MinDifferent {
    fn id(&self) -> &'static str {
        "MIN_DIFFERENT_CHARACTERS"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let is_first = |(at, character): &(usize, char)| password.find(*character) == Some(*at);
        let found = password.char_indices().filter(is_first).count();
        let of = Noun { one: "different character", many: "different characters" };
        (found < self.0).then_some(Finding::TooFew { of, minimum: self.0, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn a_character_counts_once_and_case_makes_it_another() {
        assert_tells(
            &MinDifferent(3),
            &[
                ("abab", "at least 3 different characters are required, found 2"),
                ("aaaaaaaa", "at least 3 different characters are required, found 1"),
                ("abA", ""),
                ("\u{e9}\u{1f914}e", ""),
            ],
        );
    }
}
