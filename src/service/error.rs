//! All errors of the use cases. `edge/explanation.rs` maps each to a reason.

use std::error::Error;
use std::time::Duration;

use crate::domain::action::Action;
use crate::domain::credential::Version;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::AuthorizationMessage;
use crate::policy::Violation;
use crate::ports::meter::QuotaHolder;
use crate::ports::{
    DenialProblem, HasherError, HookUnavailable, NotAdmitted, PepperError, SignatureRefusal, StoreError,
};

/// Why a request was not fulfilled. Nothing was changed except the attempt budget and the audit log.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Missing or invalid credentials.
    #[error("no valid credentials")]
    Unauthenticated,
    /// The signature of the request proves no caller.
    #[error(transparent)]
    SignatureRefused(#[from] SignatureRefusal),
    /// This kind of caller can't use this RPC.
    #[error("this kind of caller can't use {}", .0.rpc())]
    CallerNotEligible(Action),
    /// Invalid fields of the request: all of them.
    #[error("invalid fields")]
    InvalidFields(Vec<InvalidField>),
    /// No policy permits it, or one forbids it.
    #[error("access denied")]
    AccessDenied {
        /// The requested action.
        action: Action,
        /// The resource, as the source pages name it.
        resource: String,
        /// Tells administrators more, and the caller nothing.
        message: Option<AuthorizationMessage>,
    },
    /// The message of a refusal can't be decoded.
    #[error(transparent)]
    AuthorizationMessage(#[from] DenialProblem),
    /// What the request names does not exist.
    #[error("{} not found", .0.noun())]
    NotFound(Missing),
    /// The name is already taken.
    #[error("it already exists")]
    AlreadyExists,
    /// Something still belongs to it.
    #[error("it is not empty")]
    NotEmpty,
    /// Its state does not allow the change.
    #[error("the state does not allow it: {} is {state}", .of.noun())]
    ResourceState {
        /// The thing with that state.
        of: Stateful,
        /// The state as one word.
        state: &'static str,
    },
    /// The tenant does not let its users change their own passwords.
    #[error("users may not change their own password")]
    SelfChangeDisabled,
    /// Too little time has passed since the subject's own last change.
    #[error("the password is too young")]
    PasswordTooYoung {
        /// How long the subject has to wait.
        retry_after: Duration,
    },
    /// The password has passed its maximum age, and only an administrator can replace it.
    #[error("the password has expired")]
    PasswordExpired,
    /// The credential is at another version than the caller, or the change, expected.
    #[error("the credential is at another version")]
    VersionConflict {
        /// The version of the credential, if it has one.
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
    /// The client token belongs to a change to another password, or to one that expected another version.
    #[error("the client token was used for another request")]
    ClientTokenMismatch,
    /// Too many wrong passwords in a row.
    #[error("too many attempts")]
    TooManyAttempts {
        /// How long the caller has to wait.
        retry_after: Duration,
    },
    /// So many wrong passwords in a row that the caller is stopped until an administrator clears them.
    #[error("stopped after too many attempts")]
    AttemptsStopped {
        /// How long the caller should wait before it asks again.
        retry_after: Duration,
    },
    /// The hashes were not admitted.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The caller, or its tenant, made too many requests.
    #[error("a quota of requests is used up")]
    QuotaUsedUp {
        /// Whose quota it is.
        of: QuotaHolder,
        /// When it has room for one more request.
        retry_after: Duration,
    },
    /// The deadline passed before the change was made.
    #[error("the deadline was exceeded")]
    DeadlineExceeded,
    /// Events after the cursor of a watch are no longer kept, or the cursor is not of this store.
    #[error("the cursor has expired")]
    CursorExpired,
    /// A watch is refused or ended, not because of its caller's permissions; it can resume from its last cursor.
    #[error("the watch is interrupted: {}", .0.as_str())]
    WatchInterrupted(Interruption),
    /// The store returned no result.
    #[error(transparent)]
    Store(StoreError),
    /// The hash engine returned no result.
    #[error(transparent)]
    Hasher(HasherError),
    /// The other system that verifies the password gives no clear answer.
    #[error(transparent)]
    HookUnavailable(#[from] HookUnavailable),
    /// A stored hash can't be used as it is.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// Something happened that can't happen.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl ServiceError {
    /// One field of the request is invalid.
    pub fn invalid_field(field: &'static str, problem: FieldProblem) -> Self {
        Self::InvalidFields(vec![InvalidField { field, problem }])
    }

    /// One field of the request has the wrong form.
    pub fn malformed(field: &'static str, expected: &'static str) -> Self {
        Self::invalid_field(field, FieldProblem::Malformed { expected })
    }
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

/// What a request named that does not exist.
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
    /// The missing thing, in words.
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
    /// The caller, or its tenant, already has the maximum number of watches.
    TooManyWatches,
    /// The caller received nothing for too long.
    TooSlow,
    /// The service is stopping.
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

/// A thing with a state that a change depends on.
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
    /// Its name, in words.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::MailDomain => "the mail domain",
            Self::Instance => "the instance",
            Self::Account => "the account",
        }
    }
}

/// A text and its causes, each cause once: many errors repeat their source in their own text.
pub fn with_causes(text: String, cause: Option<&dyn Error>) -> String {
    std::iter::successors(cause, |&error| error.source()).fold(text, |all, error| {
        let text = error.to_string();
        if all.contains(&text) { all } else { format!("{all}: {text}") }
    })
}
