//! The report on a broken rule: its bound and what was found, in numbers and fixed words.

use std::fmt;

/// What is wrong with a password. No variant has room for text that is not fixed at compile time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// There are fewer than required.
    TooFew {
        /// What is counted.
        of: Noun,
        /// The fewest that are required.
        minimum: usize,
        /// How many were found.
        found: usize,
    },
    /// There are more than allowed.
    TooMany {
        /// What is counted.
        of: Noun,
        /// The most that are allowed.
        maximum: usize,
        /// How many were found.
        found: usize,
    },
    /// There are characters other than the allowed ones.
    OtherCharacters {
        /// The allowed characters, in words.
        allowed: &'static str,
        /// How many others were found.
        found: usize,
    },
    /// The password is, or has, something forbidden; in words.
    Forbidden(&'static str),
}

/// The thing that is counted, in words: singular and plural.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noun {
    /// The singular.
    pub one: &'static str,
    /// The plural, also for zero.
    pub many: &'static str,
}

impl Noun {
    /// A bound as the subject of a sentence.
    fn bounded(self, bound: usize) -> String {
        if bound == 1 { format!("1 {} is", self.one) } else { format!("{bound} {} are", self.many) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooFew { of, minimum, found } => {
                write!(formatter, "at least {} required, found {found}", of.bounded(minimum))
            }
            Self::TooMany { of, maximum, found } => {
                write!(formatter, "at most {} allowed, found {found}", of.bounded(maximum))
            }
            Self::OtherCharacters { allowed, found } => {
                let others = if found == 1 { "other" } else { "others" };
                write!(formatter, "only {allowed} are allowed, found {found} {others}")
            }
            Self::Forbidden(words) => formatter.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_sentence() {
        let digit = Noun { one: "digit", many: "digits" };
        let sentences = [
            (Finding::TooFew { of: digit, minimum: 1, found: 0 }, "at least 1 digit is required, found 0"),
            (Finding::TooFew { of: digit, minimum: 2, found: 1 }, "at least 2 digits are required, found 1"),
            (Finding::TooMany { of: digit, maximum: 3, found: 9 }, "at most 3 digits are allowed, found 9"),
            (Finding::OtherCharacters { allowed: "digits", found: 1 }, "only digits are allowed, found 1 other"),
            (Finding::Forbidden("it is blocked"), "it is blocked"),
        ];
        for (finding, sentence) in sentences {
            assert_eq!(finding.to_string(), sentence);
        }
    }
}
