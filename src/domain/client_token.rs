//! What a caller marks a request with, so that sending it again is safe.

use std::time::Duration;

use super::credential::{ExpectedVersion, Version};
use super::time::{Window, days};

/// How long a change is remembered under its client token.
pub const REMEMBERED_FOR: Duration = days(1);

/// What a client token is kept by: a digest over the token, the caller, the RPC and the subject. It covers no password,
/// because a fast digest of one would undo the slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientTokenKey(pub [u8; 32]);

/// A change that was made, as it is remembered under its client token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RememberedChange {
    /// The version that it made.
    pub version: Version,
    /// The version that its caller counted on.
    pub expected_version: Option<ExpectedVersion>,
    /// How long it is remembered.
    pub window: Window,
}
