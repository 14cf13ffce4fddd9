//! Access tokens: how programs prove their identity.

use std::time::Duration;

use uuid::Uuid;

use super::caller::Caller;
use super::tenant::TenantId;
use super::time::{Timestamp, days};

/// How long a token is valid by default.
pub const DEFAULT_TIME_TO_LIVE: Duration = days(90);
/// How long a token is valid at most.
pub const MAX_TIME_TO_LIVE: Duration = days(366);

/// The SHA-256 of a token's text. A machine secret of 256 random bits needs no slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

/// The id of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenId(pub Uuid);

/// An access token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// The caller that it authenticates. If that is a subject, the token is bound to the subject's immutable id.
    pub caller: Caller,
    /// The tenant that it is bound to; `None` for an operator.
    pub tenant: Option<TenantId>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl AccessToken {
    /// Whether the token is valid at that time: until its expiry. A clock that is behind its time of issue is no reason
    /// to refuse it.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}
