//! Everything that a use case can answer instead of success. `edge/explanation.rs` gives each a reason.

use std::error::Error;
use std::time::Duration;

use crate::domain::action::Action;
use crate::domain::credential::Version;
use crate::domain::field::InvalidField;
use crate::policy::Violation;
use crate::ports::{HasherError, NotAdmitted, PepperError, StoreError};

/// Why a request was not fulfilled. Nothing was changed but the attempt budget and the audit log.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No credentials, or bad ones.
    #[error("no valid credentials")]
    Unauthenticated,
    /// This kind of caller can't use this RPC.
    #[error("this kind of caller can't use {}", .0.rpc())]
    CallerNotEligible(Action),
    /// Fields of the request are bad: all of them.
    #[error("invalid fields")]
    InvalidFields(Vec<InvalidField>),
    /// No policy permits it, or one forbids it.
    #[error("access denied")]
    AccessDenied {
        /// What was asked for.
        action: Action,
        /// What on, as the source pages name it.
        resource: String,
    },
    /// What the request names does not exist.
    #[error("{} not found", .0.noun())]
    NotFound(Missing),
    /// There is one of that name already.
    #[error("it exists already")]
    AlreadyExists,
    /// It still has what belongs to it.
    #[error("it is not empty")]
    NotEmpty,
    /// Its state does not allow the change.
    #[error("the state does not allow it: {} is {state}", .of.noun())]
    ResourceState {
        /// What has that state.
        of: Stateful,
        /// The state as one word.
        state: &'static str,
    },
    /// The tenant does not let its users change their own passwords.
    #[error("users may not change their own password")]
    SelfChangeDisabled,
    /// The subject's own last change was too short a while ago.
    #[error("the password is too young")]
    PasswordTooYoung {
        /// How long the subject has to wait.
        retry_after: Duration,
    },
    /// The password has passed its maximum age, and only an administrator can replace it.
    #[error("the password has expired")]
    PasswordExpired,
    /// The credential is at another version than the caller, or the change, counted on.
    #[error("the credential is at another version")]
    VersionConflict {
        /// The version that the credential is at, where it has one.
        current: Option<Version>,
    },
    /// The new password breaks rules of the policy: all of them.
    #[error("the password breaks the policy")]
    PolicyViolation(Vec<Violation>),
    /// The new password was used before.
    #[error("the password was used before")]
    PasswordReused,
    /// The old password is wrong.
    #[error("the old password is incorrect")]
    OldPasswordIncorrect,
    /// The client token stands for a change to another password, or one that counted on another version.
    #[error("the client token stands for another request")]
    ClientTokenMismatch,
    /// Too many wrong passwords in a row.
    #[error("too many attempts")]
    TooManyAttempts {
        /// How long the caller has to wait.
        retry_after: Duration,
    },
    /// The hashes were not admitted.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The deadline passed before the change was made.
    #[error("the deadline was exceeded")]
    DeadlineExceeded,
    /// Events that come after the cursor of a watch are no longer kept, or the cursor is not of this store.
    #[error("the cursor has expired")]
    CursorExpired,
    /// A watch is refused, or ended, for no fault of its caller's permissions; it can go on from its last cursor.
    #[error("the watch is interrupted: {}", .0.as_str())]
    WatchInterrupted(Interruption),
    /// The store gave no answer.
    #[error(transparent)]
    Store(StoreError),
    /// The hash engine gave no answer.
    #[error(transparent)]
    Hasher(HasherError),
    /// A stored hash is not to be used as it is.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// Something that can't happen happened.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EvidenceGone => Self::Unauthenticated,
            StoreError::TenantGone => Self::NotFound(Missing::Tenant),
            error => Self::Store(error),
        }
    }
}

impl From<HasherError> for ServiceError {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Abandoned => Self::DeadlineExceeded,
            error => Self::Hasher(error),
        }
    }
}

/// What a request named and does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A tenant.
    Tenant,
    /// A mail domain.
    MailDomain,
    /// A RAM user or an IAM user.
    User,
    /// An instance.
    Instance,
    /// An account of an instance that exists.
    Account,
    /// An access token that the caller may revoke.
    AccessToken,
}

impl Missing {
    /// What is missing, in words.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::MailDomain => "mail domain",
            Self::User => "user",
            Self::Instance => "instance",
            Self::Account => "account",
            Self::AccessToken => "access token",
        }
    }
}

/// Why a watch is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The caller, or its tenant, has as many as it may have.
    TooManyWatches,
    /// The caller took nothing for too long.
    TooSlow,
    /// The service stops.
    Stopping,
}

impl Interruption {
    /// The interruption as one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooManyWatches => "too-many-watches",
            Self::TooSlow => "too-slow",
            Self::Stopping => "stopping",
        }
    }
}

/// What has a state that a change depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stateful {
    /// A mail domain.
    MailDomain,
    /// An instance.
    Instance,
    /// An instance account.
    Account,
}

impl Stateful {
    /// What it is, in words.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::MailDomain => "the mail domain",
            Self::Instance => "the instance",
            Self::Account => "the account",
        }
    }
}

/// A text and what caused it, each cause once: many errors repeat their source in their own text.
pub fn with_causes(text: String, cause: Option<&dyn Error>) -> String {
    std::iter::successors(cause, |&error| error.source()).fold(text, |told, error| {
        let text = error.to_string();
        if told.contains(&text) { told } else { format!("{told}: {text}") }
    })
}
