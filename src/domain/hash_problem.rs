//! What is wrong with a hash from another system.

use std::fmt;

use super::opt_in_algorithm::OptInAlgorithm;

/// Why a hash can't be imported or verified. Names what was found and what is allowed, and nothing of the salt and the
/// tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashProblem {
    /// The string is longer than any that is read.
    #[error("is {found} bytes long, at most {max} are read")]
    TooLong {
        /// The maximum.
        max: usize,
        /// The actual length.
        found: usize,
    },
    /// No known system writes such a string.
    #[error("has no known form: it begins like no hash that can be read")]
    UnknownForm,
    /// The algorithm is known, and is not verified.
    #[error("this is {algorithm}, which can't be imported: {why}")]
    NotSupported {
        /// The algorithm, as its users know it.
        algorithm: &'static str,
        /// Why it can't be verified here.
        why: &'static str,
    },
    /// The algorithm is imported only where an operator allows it.
    #[error("this is {0}, which is imported only where it is allowed: add `{0}` to `import.allow`")]
    NotAllowed(OptInAlgorithm),
    /// The hash needs a key that is not among the service's.
    #[error("this is {0}, and its key is missing: add it to `import.keys_file` or `import.keys`")]
    KeyMissing(OptInAlgorithm),
    /// A part of the string can't be read.
    #[error("its {part} can't be read: expected {expected}")]
    Unreadable {
        /// The part.
        part: HashPart,
        /// What is expected there, in words.
        expected: &'static str,
    },
    /// A number is out of its bounds.
    #[error("its {what} must be between {min} and {max}, found {found}")]
    OutOfRange {
        /// What is counted.
        what: &'static str,
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
        /// The actual value.
        found: u64,
    },
    /// It takes more memory than the hash engine has for one hash.
    #[error("takes {found_kib} KiB, at most {max_kib} are verified: set `hashing.ceiling_kib` to {found_kib} or more")]
    AboveCeiling {
        /// The ceiling.
        max_kib: u64,
        /// The memory that the hash takes.
        found_kib: u64,
    },
}

impl HashProblem {
    /// The stable name of the problem, for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "TOO_LONG",
            Self::UnknownForm | Self::Unreadable { .. } => "MALFORMED",
            Self::NotSupported { .. } => "ALGORITHM_NOT_SUPPORTED",
            Self::NotAllowed(_) => "ALGORITHM_NOT_ALLOWED",
            Self::KeyMissing(_) => "KEY_MISSING",
            Self::OutOfRange { .. } | Self::AboveCeiling { .. } => "OUT_OF_RANGE",
        }
    }

    /// Checks a number against its bounds.
    pub const fn unless_within(what: &'static str, min: u64, max: u64, found: u64) -> Result<(), Self> {
        if found < min || found > max { Err(Self::OutOfRange { what, min, max, found }) } else { Ok(()) }
    }
}

/// A part of a hash string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashPart {
    /// The string as a whole: its fields and what separates them.
    Fields,
    /// What determines the cost.
    Parameters,
    /// The salt.
    Salt,
    /// The result that is compared.
    Tag,
}

impl HashPart {
    /// The problem that this part can't be read.
    pub const fn expected(self, expected: &'static str) -> HashProblem {
        HashProblem::Unreadable { part: self, expected }
    }
}

impl fmt::Display for HashPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fields => "fields",
            Self::Parameters => "parameters",
            Self::Salt => "salt",
            Self::Tag => "tag",
        })
    }
}
