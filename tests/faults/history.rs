//! What clients asked for, when, and what they were answered: enough to find out afterwards whether all of it can be true.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

/// An operation of a client on a subject. Passwords are numbers here, and no two changes share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// The subject's number.
    pub subject: usize,
    pub asked: Asked,
    pub outcome: Outcome,
    /// When it was asked for, and when the outcome was known: nanoseconds since the history began. A change that is sent again
    /// with its client token is one operation, from the first time to the answer.
    pub invoked: u64,
    pub returned: u64,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To set a new password, where the old one and the version are as said, if something is said.
    Change { old: Option<u64>, expected_version: Option<u64>, new: u64 },
    /// Whether that is the password.
    Verify { password: u64 },
    /// Which version the credential is at.
    Version,
}

/// What the client was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was changed, to that version.
    Changed {
        version: u64,
    },
    Matched,
    NotMatched,
    Version(u64),
    /// The old password is not that.
    OldPasswordIncorrect,
    /// The version is another one: that.
    VersionConflict {
        current: u64,
    },
    /// Nothing was done, for a reason that says nothing about the subject.
    Refused {
        reason: String,
    },
    /// It was done, or it was not.
    Unknown,
}

impl Operation {
    /// The operation as a line of JSON.
    fn line(&self) -> String {
        let asked = match self.asked {
            Asked::Change { old, expected_version, new } => {
                json!({ "change": { "old": old, "expected_version": expected_version, "new": new } })
            }
            Asked::Verify { password } => json!({ "verify": password }),
            Asked::Version => json!("version"),
        };
        let outcome: Value = match &self.outcome {
            Outcome::Changed { version } => json!({ "changed": version }),
            Outcome::Matched => json!("matched"),
            Outcome::NotMatched => json!("not matched"),
            Outcome::Version(version) => json!({ "version": version }),
            Outcome::OldPasswordIncorrect => json!("old password incorrect"),
            Outcome::VersionConflict { current } => json!({ "version_conflict": current }),
            Outcome::Refused { reason } => json!({ "refused": reason }),
            Outcome::Unknown => json!("unknown"),
        };
        let Self { client, subject, invoked, returned, .. } = self;
        json!({
            "subject": subject, "client": client, "invoked_ns": invoked, "returned_ns": returned, "asked": asked,
            "outcome": outcome,
        })
        .to_string()
    }
}

/// The operations of all clients, in the order in which their outcomes were known.
#[derive(Debug)]
pub struct History {
    start: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Default for History {
    fn default() -> Self {
        Self { start: Instant::now(), operations: Mutex::default() }
    }
}

impl History {
    /// Nanoseconds since the history began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap()
    }

    pub fn record(&self, operation: Operation) {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    pub fn len(&self) -> usize {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of it, as lines of JSON.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for operation in self.operations() {
            writeln!(lines, "{}", operation.line()).unwrap();
        }
        lines
    }
}
