use crate::policy::finding::Finding;
use crate::policy::rule::Rule;

/// Digits, or letters regardless of case, that are not one character repeated (Direct Mail).
pub(crate) struct NotAllSame {
    id: &'static str,
    words: &'static str,
    counts: fn(&char) -> bool,
}

impl NotAllSame {
    pub(crate) const DIGITS: Self = Self {
        id: "DIGITS_NOT_ALL_SAME",
        words: "the digits must not all be the same digit",
        counts: char::is_ascii_digit,
    };

    pub(crate) const LETTERS: Self = Self {
        id: "LETTERS_NOT_ALL_SAME",
        words: "the letters, upper and lower case together, must not all be the same letter",
        counts: char::is_ascii_alphabetic,
    };
}

impl Rule for NotAllSame {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let mut counted = password.chars().filter(self.counts);
        let first = counted.next()?;
        // A single one repeats nothing; another rule reports that there are too few.
        let second = counted.next()?;
        let is_first = |character: char| character.eq_ignore_ascii_case(&first);
        (is_first(second) && counted.all(is_first)).then_some(Finding::Forbidden(self.words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn digits_are_not_one_digit_repeated() {
        let message = "the digits must not all be the same digit";
        assert_tells(
            &NotAllSame::DIGITS,
            &[("", ""), ("a1b", ""), ("a1b2", ""), ("1112", ""), ("11", message), ("a1b1c1", message)],
        );
    }

    #[test]
    fn letters_are_not_one_letter_repeated_in_either_case() {
        let message = "the letters, upper and lower case together, must not all be the same letter";
        assert_tells(
            &NotAllSame::LETTERS,
            &[("12", ""), ("a1", ""), ("aAbB", ""), ("aaaB", ""), ("a1A", message), ("AAaa", message)],
        );
    }
}
