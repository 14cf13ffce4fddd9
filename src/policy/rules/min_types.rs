use crate::policy::characters::CharacterType;
use crate::policy::finding::{Finding, Noun};
use crate::policy::rule::Rule;

/// The fewest of the four types of characters.
pub(crate) struct MinTypes {
    pub(crate) minimum: usize,
    /// Which of the characters that are neither letter nor digit count as a symbol.
    pub(crate) is_symbol: fn(char) -> bool,
}

impl MinTypes {
    const NOUN: Noun = Noun {
        one: "type of character (upper case, lower case, digit, symbol)",
        many: "types of character (upper case, lower case, digit, symbol)",
    };

    fn counts(&self, character: char, of: CharacterType) -> bool {
        CharacterType::of(character) == of && (of != CharacterType::Symbol || (self.is_symbol)(character))
    }
}

impl Rule for MinTypes {
    fn id(&self) -> &'static str {
        "MIN_CHARACTER_TYPES"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let is_there = |of: &CharacterType| password.chars().any(|character| self.counts(character, *of));
        let found = CharacterType::ALL.iter().filter(|of| is_there(of)).count();
        (found < self.minimum).then_some(Finding::TooFew { of: Self::NOUN, minimum: self.minimum, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn each_type_counts_once() {
        let message = "at least 3 types of character (upper case, lower case, digit, symbol) are required, found";
        assert_tells(
            &MinTypes { minimum: 3, is_symbol: |character| character != '~' },
            &[
                ("", &format!("{message} 0")),
                ("aaaa", &format!("{message} 1")),
                ("aA", &format!("{message} 2")),
                ("aA~", &format!("{message} 2")),
                ("aA1", ""),
                ("aA-", ""),
                ("1 \u{e9}a", ""),
                ("aA1-", ""),
            ],
        );
    }
}
