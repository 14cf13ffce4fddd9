//! The time after a change in which the previous password is valid as well, so that systems can switch over one by one.

use std::time::Duration;

use super::caller::Caller;
use super::credential::Version;
use super::time::{Timestamp, Window, days};

/// The longest overlap.
pub const LONGEST_OVERLAP: Duration = days(7);

/// The most callers that are listed for each password. A list of so many may be cut off: `rotate` ends no overlap by it.
pub const MOST_CALLERS: u32 = 50;

/// The interval at which the use of a password is noted for one caller.
pub const NOTED_EVERY: Duration = Duration::from_mins(1);

/// The overlap of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// How long the previous password stays valid after a change; zero if it does not.
    pub length: Duration,
    /// The window of validity since the last change. It may be over.
    pub window: Option<Window>,
}

/// A subject's passwords during an overlap, as administrators see them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OverlapState {
    /// The overlap.
    pub overlap: Overlap,
    /// The current password, if there is one.
    pub current: Option<KnownPassword>,
    /// The previous one, if it is kept.
    pub previous: Option<KnownPassword>,
}

/// What may be disclosed of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPassword {
    /// Its version.
    pub version: Version,
    /// When it was set, if that is known.
    pub changed_at: Option<Timestamp>,
    /// The callers that verified it, the last one first.
    pub uses: Vec<PasswordUse>,
}

/// A verification of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordUse {
    /// The caller.
    pub caller: Caller,
    /// The last time, to the minute.
    pub at: Timestamp,
}
