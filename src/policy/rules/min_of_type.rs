use crate::policy::characters::CharacterType;
use crate::policy::finding::Finding;
use crate::policy::rule::Rule;

/// The fewest characters of one type.
pub(crate) struct MinOfType {
    pub(crate) id: &'static str,
    pub(crate) of: CharacterType,
    pub(crate) minimum: usize,
}

impl Rule for MinOfType {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let found = password.chars().filter(|character| CharacterType::of(*character) == self.of).count();
        (found < self.minimum).then_some(Finding::TooFew { of: self.of.noun(), minimum: self.minimum, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn only_ascii_letters_and_digits_are_letters_and_digits() {
        let rule = |of, minimum| MinOfType { id: "MIN", of, minimum };
        assert_tells(
            &rule(CharacterType::Digit, 2),
            &[
                ("a1b2", ""),
                ("a1", "at least 2 digits are required, found 1"),
                ("\u{661}\u{662}", "at least 2 digits are required, found 0"),
            ],
        );
        assert_tells(
            &rule(CharacterType::UpperCase, 1),
            &[("aB", ""), ("ab\u{c4}", "at least 1 upper-case letter is required, found 0")],
        );
        assert_tells(
            &rule(CharacterType::LowerCase, 1),
            &[("Ab", ""), ("AB\u{e4}", "at least 1 lower-case letter is required, found 0")],
        );
        assert_tells(
            &rule(CharacterType::Symbol, 1),
            &[("a b", ""), ("a\u{e4}", ""), ("aB1", "at least 1 symbol is required, found 0")],
        );
    }
}
