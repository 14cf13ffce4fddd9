//! The key of a request that makes a retry idempotent.

use std::time::Duration;

use super::credential::{ExpectedVersion, Version};
use super::time::{Window, days};

/// How long a change is remembered under its client token.
pub const REMEMBERED_FOR: Duration = days(1);

/// The key that a client token is stored under: a digest over the token, the caller, the RPC and the subject. It covers
/// no password, because a fast digest of a password would undo the slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientTokenKey(pub [u8; 32]);

/// A change that was made, as remembered under its client token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RememberedChange {
    /// The version after the change.
    pub version: Version,
    /// The version that its caller expected.
    pub expected_version: Option<ExpectedVersion>,
    /// How long it is remembered.
    pub window: Window,
}
