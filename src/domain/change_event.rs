//! What a watcher is sent: that something happened to a subject.

use uuid::Uuid;

use super::action::Action;
use super::credential::Version;
use super::names::TenantName;
use super::subject::{SubjectId, SubjectName};
use super::time::Timestamp;

/// What a watcher is sent: that something happened to a subject. Holds versions and never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEvent {
    /// Its id: that of the change if a password was set, else that of the audit event that was recorded with it.
    pub id: Uuid,
    /// When it happened, by the clock of the process that wrote it. Positions define the order, never this time.
    pub at: Timestamp,
    /// The subject's tenant.
    pub tenant: TenantName,
    /// The subject.
    pub subject: SubjectId,
    /// The subject's name.
    pub name: SubjectName,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Created {
        /// The version of its first password, if it has one.
        version: Option<Version>,
    },
    /// Its password was changed, by the subject itself or by an operation that requires no old password.
    Changed {
        /// The new version.
        version: Version,
        /// Until when the previous password is valid as well, if it is.
        overlap_until: Option<Timestamp>,
    },
    /// Its password was set by an administrator.
    Reset {
        /// The new version.
        version: Version,
        /// Until when the previous password is valid as well, if it is.
        overlap_until: Option<Timestamp>,
    },
    /// A caller used up its wrong passwords, and can't try the subject's password for a while.
    Locked {
        /// Until when that caller has to wait; `None` if it is stopped.
        until: Option<Timestamp>,
    },
    /// It was deleted. No event follows.
    Deleted,
}

impl ChangeKind {
    /// The kind of event for a password that an action set, without the overlap that the store may begin.
    pub fn of_password(action: Action, version: Version) -> Self {
        let overlap_until = None;
        if action.is_administrative() {
            Self::Reset { version, overlap_until }
        } else {
            Self::Changed { version, overlap_until }
        }
    }

    /// The kind as one word, the same in the store and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Changed { .. } => "changed",
            Self::Reset { .. } => "reset",
            Self::Locked { .. } => "locked",
            Self::Deleted => "deleted",
        }
    }
}

/// A place in the single order of events. Only committed events have one, so that no event ever appears before a place
/// that a reader has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

/// The part of the order that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptEvents {
    /// Where it begins: all events after this are kept.
    pub after: Position,
    /// The last position that was given.
    pub last: Position,
}

impl KeptEvents {
    /// Whether all events after a position are kept. A position that was never given comes from another store, or from
    /// a time that a restored backup does not know.
    pub fn reaches_back_to(self, position: Position) -> bool {
        self.after <= position && position <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_from_any_position_that_is_kept() {
        let kept = KeptEvents { after: Position(10), last: Position(12) };
        for (position, expected) in [(0, false), (9, false), (10, true), (11, true), (12, true), (13, false)] {
            assert_eq!(kept.reaches_back_to(Position(position)), expected, "{position}");
        }
    }

    #[test]
    fn an_administrators_new_password_is_a_reset() {
        let version = Version::FIRST;
        for action in [Action::ResetPassword, Action::ResetAccountPassword] {
            let reset = ChangeKind::Reset { version, overlap_until: None };
            assert_eq!(ChangeKind::of_password(action, version), reset);
        }
        for action in [Action::ModifyPwByDomain, Action::ChangePassword] {
            let changed = ChangeKind::Changed { version, overlap_until: None };
            assert_eq!(ChangeKind::of_password(action, version), changed);
        }
    }
}
