//! How long a password may be kept.

use std::time::Duration;

/// How long a password has to be kept, and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// How long after its own change a subject has to wait for the next.
    pub minimum_age: Duration,
    /// After how long a password has to be changed, where it has to.
    pub maximum_age: Option<Duration>,
    /// Whether only an administrator can replace a password that is older than that.
    pub hard_expiry: bool,
}
