//! What an import takes, and what it reports.

use std::mem::discriminant;

use crate::domain::credential::PasswordHash;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::hash_problem::HashProblem;
use crate::domain::names::TenantName;
use crate::domain::subject::{GivenAttributes, SubjectName};
use crate::domain::time::Timestamp;

/// The maximum number of refused rows that are reported; the others are only counted.
const MAX_REPORTED_ROWS: usize = 1000;
/// The maximum number of kinds of problems that are told apart. There are fewer, but a client can name problems of its own.
const MAX_KINDS: usize = 100;

/// How an import is done.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Check everything and store nothing.
    pub is_dry_run: bool,
    /// Leave out rows that differ from an existing subject, instead of refusing them.
    pub skips_existing: bool,
    /// What a row without a hash is.
    pub without_hash: WithoutHash,
}

/// What a row without a hash is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WithoutHash {
    /// It is refused.
    #[default]
    Refused,
    /// A subject without a password.
    NoPassword,
    /// A subject whose password another system verifies, until it is verified here for the first time.
    Elsewhere,
}

/// The password of a subject to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportedPassword {
    /// It has none.
    Absent,
    /// Another system verifies it.
    Elsewhere,
    /// Its hash.
    Hash(PasswordHash),
}

impl ImportedPassword {
    /// Its hash, if it has a password.
    pub const fn hash(&self) -> Option<&PasswordHash> {
        match self {
            Self::Absent | Self::Elsewhere => None,
            Self::Hash(hash) => Some(hash),
        }
    }
}

/// A subject with the hash of its password, as far as it could be read.
pub struct RowToImport {
    /// The number that identifies the row.
    pub number: u64,
    /// Its tenant.
    pub tenant: Option<TenantName>,
    /// Its name.
    pub name: Option<SubjectName>,
    /// Its attributes.
    pub attributes: Option<GivenAttributes>,
    /// Its password.
    pub password: Option<ImportedPassword>,
    /// When the password was set; `None` means now.
    pub changed_at: Option<Timestamp>,
    /// The problems found so far. Every part that could not be read has a problem here.
    pub problems: Vec<RowProblem>,
}

/// What is wrong with a row of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowProblem {
    /// An invalid field.
    Field(InvalidField),
    /// A problem that the reader of the row reports, because it could not read all of it.
    Reported {
        /// The field.
        field: String,
        /// The stable name of the problem.
        reason: String,
        /// The problem in words.
        description: String,
    },
    /// The tenant does not exist.
    TenantAbsent,
    /// The instance does not exist.
    InstanceAbsent,
    /// The subject has another hash, or none.
    OtherHash(SubjectFrom),
    /// The subject has other attributes.
    OtherAttributes(SubjectFrom),
}

/// Where the subject comes from that a row differs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectFrom {
    /// It was there before the import.
    Before,
    /// From an earlier row of the import.
    EarlierRow,
}

impl RowProblem {
    /// Whether another problem is of the same field and has the same reason.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(own), Self::Field(other)) => {
                own.field == other.field && own.problem.reason() == other.problem.reason()
            }
            (Self::Reported { field, reason, .. }, Self::Reported { field: of, reason: why, .. }) => {
                (field, reason) == (of, why)
            }
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// The ceiling that the row's hash needs, if it is above the one in force.
    const fn needed_ceiling_kib(&self) -> Option<u64> {
        match self {
            Self::Field(InvalidField {
                problem: FieldProblem::Hash(HashProblem::AboveCeiling { found_kib, .. }),
                ..
            }) => Some(*found_kib),
            _ => None,
        }
    }
}

/// A row of an import that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its number.
    pub row_number: u64,
    /// All of its problems.
    pub problems: Vec<RowProblem>,
}

/// Problems of one kind.
#[derive(Debug)]
pub struct Refusals {
    /// One of them.
    pub example: RowProblem,
    /// How many there are.
    pub count: u64,
}

/// Result of an import. Each row is counted once.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Rows that were stored.
    pub imported: u64,
    /// Rows that existed already.
    pub unchanged: u64,
    /// Rows that were left out because their subjects exist.
    pub skipped: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Valid rows whose batch was refused because of others.
    pub held_back: u64,
    /// The first of the refused rows.
    pub refused_rows: Vec<RefusedRow>,
    /// How many problems there are of each kind.
    pub refusals: Vec<Refusals>,
    /// The ceiling that would let in all rows that are refused for it, if there are any.
    pub needed_ceiling_kib: Option<u64>,
}

impl ImportReport {
    /// Adds a refused row.
    pub fn refuse(&mut self, row: RefusedRow) {
        self.refused += 1;
        for problem in &row.problems {
            self.needed_ceiling_kib = self.needed_ceiling_kib.max(problem.needed_ceiling_kib());
            let are_all = self.refusals.len() >= MAX_KINDS;
            match self.refusals.iter_mut().find(|refusals| refusals.example.is_like(problem)) {
                Some(refusals) => refusals.count += 1,
                None if !are_all => {
                    self.refusals.push(Refusals { example: problem.clone(), count: 1 });
                }
                None => {}
            }
        }
        if self.refused_rows.len() < MAX_REPORTED_ROWS {
            self.refused_rows.push(row);
        }
    }
}
