//! The explanation of an error for its caller, whatever the protocol. Errors become visible only here (contract:
//! `docs/errors.md`).

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use super::vendor_code::VendorCode;
use super::{Reason, RequestContext, Retry};
use crate::domain::action::Action;
use crate::domain::credential::Version;
use crate::domain::field::InvalidField;
use crate::ports::meter::QuotaHolder;
use crate::ports::{HookUnavailable, NotAdmitted, SignatureRefusal, StoreError};
use crate::service::ServiceError;
use crate::service::error::{Interruption, Missing, Stateful, with_causes};

/// How long a caller should wait if the error itself does not say: for an unavailable store, or before it watches
/// again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The explanation of an error.
#[derive(Debug)]
pub struct Explanation {
    /// Why the call failed.
    pub reason: Reason,
    /// Fixed words.
    pub message: &'static str,
    /// Further facts by name, including `http_status` and the vendor's code.
    pub metadata: BTreeMap<&'static str, String>,
    /// Every field that is refused.
    pub violations: Vec<Violation>,
    /// The failed precondition, and the actual state.
    pub unmet: Option<(&'static str, String)>,
    /// The kind of resource that does not exist.
    pub missing: Option<&'static str>,
    /// When the same request may succeed, in whole milliseconds.
    pub retry_after: Option<Duration>,
    /// Why the signature of the request is refused, if that is the reason: the vendors have a code for each.
    pub signature: Option<SignatureRefusal>,
}

/// One reason why a field is refused.
#[derive(Debug)]
pub struct Violation {
    /// The field's path.
    pub field: &'static str,
    /// The problem in words.
    pub description: String,
    /// The problem for programs.
    pub reason: &'static str,
}

impl Explanation {
    /// Explains an error of a use case. The cause of an internal failure is logged here, and only here.
    pub fn of_error(error: &ServiceError, context: &RequestContext) -> Self {
        let mut explanation = describe(error, context.action);
        match VendorCode::of(error, context.action) {
            Some(VendorCode::Exact(code)) => explanation.say("vendor_code", code),
            Some(VendorCode::Nearest(code)) => explanation.say("vendor_code_nearest", code),
            None => {}
        }
        if is_internal(error) {
            let (request_id, peer) = (context.request_id, context.peer);
            tracing::error!(%request_id, %peer, cause = %with_causes(error.to_string(), error.source()), "a call failed");
        }
        explanation
    }

    /// Explains a failure outside of the use cases.
    pub fn of_reason(reason: Reason) -> Self {
        Self {
            reason,
            message: reason.message(),
            metadata: BTreeMap::from([("http_status", reason.http_status().to_string())]),
            violations: Vec::new(),
            unmet: None,
            missing: None,
            retry_after: (reason.retry() == Retry::Later).then_some(RETRY_DELAY),
            signature: None,
        }
    }

    fn say(&mut self, name: &'static str, value: &(impl ToString + ?Sized)) {
        self.metadata.insert(name, value.to_string());
    }

    fn saying(mut self, name: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.say(name, value);
        self
    }

    fn unmet(mut self, subject: &'static str, description: impl Into<String>) -> Self {
        self.unmet = Some((subject, description.into()));
        self
    }

    /// In whole milliseconds, rounded up, so that a caller that retries at the earliest moment is not too early; at least
    /// one, because grpcio 1.85 does not retry after a delay of 0, but waits until its deadline.
    fn retry_after(mut self, delay: Duration) -> Self {
        let millis = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        self.retry_after = Some(Duration::from_millis(millis.max(1)));
        self
    }
}

fn is_internal(error: &ServiceError) -> bool {
    use ServiceError::{Hasher, Internal, Pepper, Store};
    matches!(error, Store(_) | Hasher(_) | Pepper(_) | Internal(_))
}

/// No wildcard: a new error does not build until it has a reason.
fn describe(error: &ServiceError, action: Option<Action>) -> Explanation {
    let of = Explanation::of_reason;
    match error {
        ServiceError::Unauthenticated => of(Reason::Unauthenticated),
        ServiceError::SignatureRefused(refusal) => {
            Explanation { message: refusal.message(), signature: Some(*refusal), ..of(Reason::Unauthenticated) }
        }
        ServiceError::CallerNotEligible(action) => of(Reason::CallerNotEligible)
            .saying("action", action.name())
            .unmet("the caller", "is of a kind that can't use this method"),
        ServiceError::InvalidFields(fields) => {
            Explanation { violations: fields.iter().map(Violation::of_field).collect(), ..of(Reason::InvalidField) }
        }
        ServiceError::AccessDenied { action, resource, message } => {
            let denied = of(Reason::AccessDenied).saying("action", action.name()).saying("resource", resource);
            message.iter().fold(denied, |denied, message| denied.saying("encoded_authorization_message", message))
        }
        ServiceError::AuthorizationMessage(problem) => Explanation {
            message: problem.message(),
            ..of(Reason::AuthorizationMessageInvalid).saying("problem", problem.as_str())
        },
        ServiceError::NotFound(missing) => not_found(*missing),
        ServiceError::AlreadyExists => of(Reason::AlreadyExists),
        ServiceError::NotEmpty => of(Reason::NotEmpty).unmet("what is deleted", "has to be empty"),
        ServiceError::ResourceState { of: stateful, state } => {
            let unmet = of(Reason::ResourceState).saying("state", *state).unmet(stateful.noun(), format!("is {state}"));
            if *stateful == Stateful::MailDomain { unmet } else { unmet.saying("http_status", &403) }
        }
        ServiceError::SelfChangeDisabled => of(Reason::SelfChangeDisabled),
        ServiceError::PasswordTooYoung { retry_after } => of(Reason::PasswordTooYoung)
            .retry_after(*retry_after)
            .unmet("the password", "has not reached its minimum age"),
        ServiceError::PasswordExpired => {
            of(Reason::PasswordExpired).unmet("the password", "has passed its maximum age")
        }
        ServiceError::VersionConflict { current } => {
            of(Reason::VersionConflict).saying("current_version", &current.map_or(0, Version::number))
        }
        ServiceError::PolicyViolation(violations) => {
            let field = new_password_field(action);
            let of_rule = |violation: &crate::policy::Violation| Violation {
                field,
                description: violation.to_string(),
                reason: violation.rule,
            };
            Explanation { violations: violations.iter().map(of_rule).collect(), ..of(Reason::PasswordPolicyViolation) }
        }
        ServiceError::PasswordReused => of(Reason::PasswordReused),
        ServiceError::OldPasswordIncorrect => of(Reason::OldPasswordIncorrect),
        ServiceError::ClientTokenMismatch => of(Reason::ClientTokenMismatch),
        ServiceError::TooManyAttempts { retry_after } => of(Reason::TooManyAttempts).retry_after(*retry_after),
        ServiceError::AttemptsStopped { retry_after } => Explanation {
            message: "there were too many wrong passwords: an administrator has to clear them",
            ..of(Reason::TooManyAttempts).saying("stopped", &true).retry_after(*retry_after)
        },
        ServiceError::QuotaUsedUp { of: holder, retry_after } => {
            let (quota, message) = match holder {
                QuotaHolder::Caller => ("caller", "the caller makes too many requests"),
                QuotaHolder::Tenant => ("tenant", "the callers of the tenant make too many requests"),
            };
            Explanation { message, ..of(Reason::Overloaded).saying("quota", quota).retry_after(*retry_after) }
        }
        // The deadline must also be long enough in whole milliseconds.
        ServiceError::NotAdmitted(NotAdmitted::DeadlineTooShort { enough, .. }) => {
            of(Reason::DeadlineTooShort).saying("expected_wait_ms", &enough.as_micros().div_ceil(1000))
        }
        ServiceError::NotAdmitted(NotAdmitted::Overloaded { expected_wait }) => {
            of(Reason::Overloaded).retry_after(*expected_wait)
        }
        // Each retry of a library would be one more counted attempt.
        ServiceError::HookUnavailable(HookUnavailable { counts: true, .. }) => {
            Explanation { retry_after: None, ..of(Reason::HookUnavailable) }
        }
        ServiceError::HookUnavailable(_) => of(Reason::HookUnavailable),
        ServiceError::DeadlineExceeded => of(Reason::DeadlineExceeded),
        ServiceError::CursorExpired => of(Reason::CursorExpired),
        ServiceError::WatchInterrupted(interruption) => Explanation {
            message: interrupted(*interruption),
            ..of(Reason::Overloaded).saying("interruption", interruption.as_str())
        },
        ServiceError::Store(StoreError::Unavailable(_)) => of(Reason::StoreUnavailable),
        ServiceError::Store(StoreError::OutcomeUnknown(_)) => of(Reason::OutcomeUnknown),
        // `From<StoreError>` makes other errors of the last two.
        ServiceError::Store(StoreError::Damaged(_) | StoreError::EvidenceGone | StoreError::TenantGone)
        | ServiceError::Hasher(_)
        | ServiceError::Pepper(_)
        | ServiceError::Internal(_) => of(Reason::Internal),
    }
}

fn not_found(missing: Missing) -> Explanation {
    let reason = match missing {
        Missing::Tenant => Reason::TenantNotFound,
        Missing::MailDomain => Reason::DomainNotFound,
        Missing::User => Reason::UserNotFound,
        Missing::Instance => Reason::InstanceNotFound,
        Missing::Account => Reason::AccountNotFound,
        Missing::AccessToken => Reason::AccessTokenNotFound,
    };
    Explanation { missing: Some(missing.noun()), ..Explanation::of_reason(reason) }
}

/// An interrupted watch has its own message. It shares the reason of an overload, but is not one.
const fn interrupted(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::TooManyWatches => "there are too many watches",
        Interruption::TooSlow => "the watch takes its events too slowly",
        Interruption::Stopping => "the service is stopping",
    }
}

/// The field of the request that holds the new password.
const fn new_password_field(action: Option<Action>) -> &'static str {
    match action {
        Some(Action::ChangePassword | Action::ChangePasswordV5) => "new_password",
        Some(Action::ModifyAccountPassword) => "new_account_password",
        Some(Action::ResetAccountPassword) => "account_password",
        _ => "password",
    }
}

impl Violation {
    /// The problem of a field.
    pub fn of_field(invalid: &InvalidField) -> Self {
        Self { field: invalid.field, description: invalid.problem.to_string(), reason: invalid.problem.reason() }
    }
}
