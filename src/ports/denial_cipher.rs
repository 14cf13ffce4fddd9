//! The encryption of denials, which refused callers carry to their administrators.

use crate::domain::denial::Denial;
use crate::domain::names::AuthorizationMessage;
use crate::domain::tenant::TenantId;

/// Encrypts denials, so that a refused caller can pass one on without being able to read it. Takes microseconds; never
/// waits.
pub trait DenialCipher: Send + Sync {
    /// The message for the administrators of that tenant, or for operators if there is none; `None` if there is no key. MUST bind the
    /// message to the tenant and to this purpose. Its length MUST NOT depend on the denial. If not all policies fit, their
    /// last ones are left out and counted.
    fn encrypt(&self, denial: &Denial, tenant: Option<TenantId>) -> Option<AuthorizationMessage>;

    /// The denial in a message for that tenant. MUST refuse a message that was altered, or that is for another tenant.
    /// Does not look at the time.
    ///
    /// # Errors
    /// What is wrong with the message.
    fn decrypt(&self, message: &AuthorizationMessage, tenant: Option<TenantId>) -> Result<Denial, DenialProblem>;
}

/// Why a message yields no denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub enum DenialProblem {
    /// It does not have the form of a message.
    Malformed,
    /// It is encrypted under a key that this service does not have.
    UnknownKey,
    /// It was altered, or is for another tenant. The two can't be told apart.
    DoesNotOpen,
    /// Its time is over.
    Expired,
}

impl DenialProblem {
    /// The problem as one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown-key",
            Self::DoesNotOpen => "does-not-open",
            Self::Expired => "expired",
        }
    }

    /// The problem in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "the text is not an authorization message",
            Self::UnknownKey => "the authorization message is encrypted under a key that the service does not have",
            Self::DoesNotOpen => "the authorization message was altered, or belongs to another tenant",
            Self::Expired => "the authorization message has expired",
        }
    }
}
