//! A durable record of a decision.

use uuid::Uuid;

use super::action::Action;
use super::caller::Caller;
use super::credential::{ChangeId, Version};
use super::subject::SubjectId;
use super::time::Timestamp;

/// A durable record of a decision: who asked for what, and what came of it. Holds no password and no hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id.
    pub id: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// The id of the request.
    pub request_id: Uuid,
    /// The caller's own id of the request, where it sent one.
    pub correlation_id: Option<String>,
    /// Who asked.
    pub caller: Caller,
    /// What for.
    pub action: Action,
    /// What on, as the source pages name it.
    pub resource: String,
    /// The subject, where it exists.
    pub subject: Option<SubjectId>,
    /// What came of it.
    pub outcome: AuditOutcome,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// A password was set.
    Changed {
        /// The change's id.
        change_id: ChangeId,
        /// The credential's version after it.
        version: Version,
    },
    /// A batch was imported.
    Imported {
        /// How many subjects were added.
        subjects: u32,
        /// How many were there already, as they are.
        unchanged: u32,
    },
    /// The caller may not; with the ids of the policies that decided.
    Denied {
        /// The ids of the policies that decided; empty where none permitted.
        policies: Vec<String>,
        /// The earlier refusals that this event stands for as well.
        repeats: Option<Repeats>,
    },
    /// A password was wrong, or used before: an attempt.
    WrongPassword,
    /// A password was compared with a stored one, and then the store or the hash engine failed: an attempt without a
    /// verdict.
    Undecided,
}

/// Refusals that were counted and not recorded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// How many.
    pub count: u32,
    /// When the first of them happened.
    pub since: Timestamp,
}

impl AuditOutcome {
    /// The outcome as one word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Changed { .. } => "changed",
            Self::Imported { .. } => "imported",
            Self::Denied { .. } => "denied",
            Self::WrongPassword => "wrong-password",
            Self::Undecided => "undecided",
        }
    }
}
