//! What is wrong with one field of a request.

use std::fmt;

use super::hash_problem::HashProblem;

/// Why one field's value is refused before any look-up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// The field is absent or empty.
    #[error("is required")]
    Missing,
    /// The value is longer than allowed.
    #[error("must be at most {max} {unit} long, found {found}")]
    TooLong {
        /// The maximum.
        max: usize,
        /// The actual length.
        found: usize,
        /// The unit of the length.
        unit: LengthUnit,
    },
    /// The value holds a character that is not allowed.
    #[error("contains a character that is not allowed; allowed are {allowed}")]
    Character {
        /// The allowed characters, in words.
        allowed: &'static str,
    },
    /// The number is out of its range.
    #[error("must be between {min} and {max}, found {found}")]
    OutOfRange {
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
        /// The actual value.
        found: u64,
    },
    /// The value has the wrong form.
    #[error("{expected}")]
    Malformed {
        /// What is expected, in words.
        expected: &'static str,
    },
    /// The value is a hash that can't be verified.
    #[error(transparent)]
    Hash(#[from] HashProblem),
}

impl FieldProblem {
    /// The stable name of the problem, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "REQUIRED",
            Self::TooLong { .. } => "TOO_LONG",
            Self::Character { .. } => "CHARACTER_NOT_ALLOWED",
            Self::OutOfRange { .. } => "OUT_OF_RANGE",
            Self::Malformed { .. } => "MALFORMED",
            Self::Hash(problem) => problem.reason(),
        }
    }
}

/// What a length counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthUnit {
    /// Unicode code points.
    Characters,
    /// Bytes on the wire.
    Bytes,
    /// Entries of a map or a list.
    Entries,
}

impl fmt::Display for LengthUnit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Characters => "characters",
            Self::Bytes => "bytes",
            Self::Entries => "entries",
        })
    }
}

/// A field of a request and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// The field's path in the request message, in snake case: `subject.mail_domain`.
    pub field: &'static str,
    /// What is wrong.
    pub problem: FieldProblem,
}
