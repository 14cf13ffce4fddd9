//! The types of characters that policies distinguish.

use super::finding::Noun;

/// A type of character. Every character has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CharacterType {
    /// `a-z`.
    LowerCase,
    /// `A-Z`.
    UpperCase,
    /// `0-9`.
    Digit,
    /// Any other character: the pages name ASCII letters and digits, and leave the symbols open.
    Symbol,
}

impl CharacterType {
    pub(crate) const ALL: [Self; 4] = [Self::LowerCase, Self::UpperCase, Self::Digit, Self::Symbol];

    pub(crate) fn of(character: char) -> Self {
        match character {
            'a'..='z' => Self::LowerCase,
            'A'..='Z' => Self::UpperCase,
            '0'..='9' => Self::Digit,
            _ => Self::Symbol,
        }
    }

    pub(crate) const fn noun(self) -> Noun {
        match self {
            Self::LowerCase => Noun { one: "lower-case letter", many: "lower-case letters" },
            Self::UpperCase => Noun { one: "upper-case letter", many: "upper-case letters" },
            Self::Digit => Noun { one: "digit", many: "digits" },
            Self::Symbol => Noun { one: "symbol", many: "symbols" },
        }
    }
}
