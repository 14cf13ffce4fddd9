//! A durable record of a decision.

use uuid::Uuid;

use super::action::Action;
use super::caller::Caller;
use super::credential::{ChangeId, Version};
use super::names::FreeName;
use super::subject::SubjectId;
use super::tenant::TenantId;
use super::time::Timestamp;

/// A durable record of a decision: the caller, the request and the outcome. Holds no password and no hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id.
    pub id: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// The id of the request.
    pub request_id: Uuid,
    /// The caller's own id of the request, if it sent one.
    pub correlation_id: Option<String>,
    /// The caller.
    pub caller: Caller,
    /// The requested action.
    pub action: Action,
    /// The resource, as the source pages name it.
    pub resource: String,
    /// The subject, if it exists.
    pub subject: Option<SubjectId>,
    /// The tenant that the event belongs to: the caller's own; for an operator, the resource's, if it has one.
    pub tenant: Option<TenantId>,
    /// The name of the process that decided, if it has one.
    pub process: Option<FreeName>,
    /// The ids of the policies that decided; empty if none permitted, or if no policy was asked.
    pub policies: Vec<String>,
    /// The outcome.
    pub outcome: AuditOutcome,
}

/// The outcome of a request.
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
        /// How many subjects existed already, unchanged.
        unchanged: u32,
    },
    /// Another system confirmed a password, and its hash is stored here from now on.
    TakenOver,
    /// All nodes of an instance have the valid passwords of an account. The service itself is the caller.
    Delivered {
        /// The version of its password.
        version: Version,
    },
    /// A node was found with other passwords of an account than were delivered to it. The service itself is the caller.
    Drifted,
    /// No node has a password of a deleted account any more. The service itself is the caller.
    Withdrawn,
    /// The caller is not permitted.
    Denied {
        /// The earlier refusals that this event also represents.
        repeats: Option<Repeats>,
    },
    /// Too many wrong passwords came before: the password was not looked at.
    Throttled {
        /// The earlier refusals that this event also represents.
        repeats: Option<Repeats>,
    },
    /// A password was wrong, or used before: an attempt.
    WrongPassword,
    /// A password was compared with a stored one, and then the store or the hash engine failed: an attempt without a
    /// verdict.
    Undecided,
}

/// Refusals that were counted instead of recorded individually.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// The count.
    pub count: u32,
    /// When the first of them happened.
    pub since: Timestamp,
}

impl AuditOutcome {
    /// Sets the earlier refusals that this refusal also represents. Other outcomes have none.
    pub fn set_repeats(&mut self, counted: Option<Repeats>) {
        if let Self::Denied { repeats } | Self::Throttled { repeats } = self {
            *repeats = counted;
        }
    }

    /// The earlier refusals that the event also represents.
    pub const fn repeats(&self) -> Option<Repeats> {
        match self {
            Self::Denied { repeats } | Self::Throttled { repeats } => *repeats,
            _ => None,
        }
    }
}

/// Makes the words from one list, which does not compile without every outcome.
macro_rules! words {
    ($($outcome:pat => $word:literal,)+) => {
        impl AuditOutcome {
            /// Every outcome as one word.
            pub const WORDS: [&str; [$($word),+].len()] = [$($word),+];

            /// The outcome as one word.
            pub const fn as_str(&self) -> &'static str {
                match self { $($outcome => $word),+ }
            }
        }
    };
}

words! {
    Self::Done => "done",
    Self::Changed { .. } => "changed",
    Self::Imported { .. } => "imported",
    Self::TakenOver => "taken-over",
    Self::Delivered { .. } => "delivered",
    Self::Drifted => "drifted",
    Self::Withdrawn => "withdrawn",
    Self::Denied { .. } => "denied",
    Self::Throttled { .. } => "throttled",
    Self::WrongPassword => "wrong-password",
    Self::Undecided => "undecided",
}
