//! The time after a change in which the password before is good as well, so that systems can switch over one by one.

use std::time::Duration;

use super::caller::Caller;
use super::credential::Version;
use super::time::{Timestamp, Window, days};

/// The longest overlap.
pub const LONGEST_OVERLAP: Duration = days(7);

/// How often the use of a password is noted for one caller.
pub const NOTED_EVERY: Duration = Duration::from_mins(1);

/// What a credential's overlap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// How long the password before is good after a change; zero where it is not.
    pub length: Duration,
    /// Since the last change, for how long it is. That may be over.
    pub window: Option<Window>,
}

/// A subject's passwords during an overlap, as an administrator is told of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OverlapState {
    /// What the overlap is.
    pub overlap: Overlap,
    /// The current password, where there is one.
    pub current: Option<KnownPassword>,
    /// The one before, where it is kept.
    pub previous: Option<KnownPassword>,
}

/// What may be told of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPassword {
    /// Its version.
    pub version: Version,
    /// When it was set, where that is known.
    pub changed_at: Option<Timestamp>,
    /// Who verified it, the last one first.
    pub uses: Vec<PasswordUse>,
}

/// That a password was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordUse {
    /// Who asked.
    pub caller: Caller,
    /// When last, to the minute.
    pub at: Timestamp,
}
