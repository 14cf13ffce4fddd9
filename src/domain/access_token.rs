//! Access tokens: how programs prove their identity. A bearer token is sent; an access key signs.

use std::time::Duration;

use uuid::Uuid;

use super::caller::Caller;
use super::tenant::TenantId;
use super::time::{Timestamp, days};

/// How long a token is valid by default.
pub const DEFAULT_TIME_TO_LIVE: Duration = days(90);
/// How long a token is valid at most.
pub const MAX_TIME_TO_LIVE: Duration = days(366);

/// How many unexpired access keys a caller has at most: one in use, and one to replace it.
pub const MAX_ACCESS_KEYS: u32 = 2;

/// The SHA-256 of a token's text. A machine secret of 256 random bits needs no slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

/// The id of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenId(pub Uuid);

/// How a token proves its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenForm {
    /// Its text is sent.
    Bearer,
    /// Its secret signs.
    AccessKey,
}

/// The state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenStatus {
    /// It proves its caller.
    Active,
    /// It proves nothing until it is enabled again.
    Inactive,
}

/// An access token, without its text or its secret.
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
    /// How it proves its caller.
    pub form: AccessTokenForm,
    /// Whether it proves its caller at all.
    pub status: AccessTokenStatus,
}

impl AccessToken {
    /// Whether the token is valid at that time: until its expiry, while it is active. A clock that is behind its time of
    /// issue is no reason to refuse it.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.status == AccessTokenStatus::Active && now < self.expires_at
    }

    /// The id that requests signed with it name, if it is an access key.
    pub fn access_key_id(&self) -> Option<String> {
        (self.form == AccessTokenForm::AccessKey).then(|| format!("CDAK{:X}", self.id.0.simple()))
    }

    /// What the secret of an access key is bound to: sealed for one token and one caller, it opens for no other.
    pub fn seal_bound(&self) -> String {
        let [tenant, subject] = [self.tenant.map(|id| id.0), self.caller.subject_id().map(|id| id.0)];
        format!("{} {} {} {}", self.id.0, tenant.unwrap_or_default(), subject.unwrap_or_default(), self.caller)
    }
}
