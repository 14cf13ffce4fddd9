//! The only place where an error becomes visible: a `google.rpc.Status` with details (contract: `docs/errors.md`).

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::asked::Asked;
use super::reason::{Reason, Retry};
use super::vendor_code::VendorCode;
use crate::domain::action::Action;
use crate::domain::credential::Version;
use crate::domain::field::InvalidField;
use crate::ports::{NotAdmitted, StoreError};
use crate::service::ServiceError;
use crate::service::error::{Interruption, Missing, Stateful, with_causes};

/// The `domain` of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "credential.v1";

/// Tells retry policies when to send the same request again, or with -1 not to (gRFC A6, "Pushback").
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How long a caller should wait where nobody knows better: for a store that is away, or before it watches again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Violations take at most so many bytes: encoded and with all other details they stay under 6 KiB, because clients
/// refuse larger metadata.
const MAX_VIOLATION_BYTES: usize = 3 * 1024;

/// The status of an error of a use case. The cause of an internal failure is logged here, and only here.
pub(super) fn of_error(error: &ServiceError, asked: Asked) -> Status {
    let mut answer = Answer::default();
    let reason = answer.describe(error, asked.action);
    match VendorCode::of(error, asked.action) {
        Some(VendorCode::Exact(code)) => answer.say("vendor_code", code),
        Some(VendorCode::Nearest(code)) => answer.say("vendor_code_nearest", code),
        None => {}
    }
    if matches!(
        error,
        ServiceError::Store(_) | ServiceError::Hasher(_) | ServiceError::Pepper(_) | ServiceError::Internal(_)
    ) {
        tracing::error!(request_id = %asked.request_id, cause = %with_causes(error.to_string(), error.source()), "a call failed");
    }
    answer.status(reason, asked)
}

/// The status of a failure that no use case saw.
pub(super) fn of_reason(reason: Reason, asked: Asked) -> Status {
    Answer::default().status(reason, asked)
}

/// The details of a status in the making.
#[derive(Default)]
struct Answer {
    details: ErrorDetails,
    metadata: HashMap<String, String>,
    /// Fixed words that fit better than the reason's own.
    message: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// Adds what an error has to say. No wildcard: a new error does not build until it has a reason.
    fn describe(&mut self, error: &ServiceError, action: Option<Action>) -> Reason {
        match error {
            ServiceError::Unauthenticated | ServiceError::Store(StoreError::EvidenceGone) => Reason::Unauthenticated,
            ServiceError::CallerNotEligible(action) => {
                self.say("action", action.name());
                self.unmet(Reason::CallerNotEligible, "the caller", "is of a kind that can't use this method")
            }
            ServiceError::InvalidFields(fields) => {
                self.violated(fields.iter().map(field_violation).collect());
                Reason::InvalidField
            }
            ServiceError::AccessDenied { action, resource } => {
                self.say("action", action.name());
                self.say("resource", resource);
                Reason::AccessDenied
            }
            ServiceError::Store(StoreError::TenantGone) => {
                self.describe(&ServiceError::NotFound(Missing::Tenant), action)
            }
            ServiceError::NotFound(missing) => {
                self.details.set_resource_info(missing.noun(), "", "", "does not exist");
                not_found(*missing)
            }
            ServiceError::AlreadyExists => Reason::AlreadyExists,
            ServiceError::NotEmpty => self.unmet(Reason::NotEmpty, "what is deleted", "has to be empty"),
            ServiceError::ResourceState { of, state } => {
                self.say("state", state);
                if *of != Stateful::MailDomain {
                    self.say("http_status", "403");
                }
                self.unmet(Reason::ResourceState, of.noun(), &format!("is {state}"))
            }
            ServiceError::SelfChangeDisabled => Reason::SelfChangeDisabled,
            ServiceError::PasswordTooYoung { retry_after } => {
                self.retry_after(*retry_after);
                self.unmet(Reason::PasswordTooYoung, "the password", "has not reached its minimum age")
            }
            ServiceError::PasswordExpired => {
                self.unmet(Reason::PasswordExpired, "the password", "has passed its maximum age")
            }
            ServiceError::VersionConflict { current } => {
                self.say("current_version", &current.map_or(0, Version::number).to_string());
                Reason::VersionConflict
            }
            ServiceError::PolicyViolation(violations) => {
                let field = new_password_field(action);
                self.violated(violations.iter().map(|v| violation(field, &v.to_string(), v.rule)).collect());
                Reason::PasswordPolicyViolation
            }
            ServiceError::PasswordReused => Reason::PasswordReused,
            ServiceError::OldPasswordIncorrect => Reason::OldPasswordIncorrect,
            ServiceError::ClientTokenMismatch => Reason::ClientTokenMismatch,
            ServiceError::TooManyAttempts { retry_after } => {
                self.retry_after(*retry_after);
                Reason::TooManyAttempts
            }
            ServiceError::NotAdmitted(NotAdmitted::DeadlineTooShort { enough, .. }) => {
                // A deadline in whole milliseconds has to be long enough, too.
                self.say("expected_wait_ms", &enough.as_micros().div_ceil(1000).to_string());
                Reason::DeadlineTooShort
            }
            ServiceError::NotAdmitted(NotAdmitted::Overloaded { expected_wait }) => {
                self.retry_after(*expected_wait);
                Reason::Overloaded
            }
            ServiceError::DeadlineExceeded => Reason::DeadlineExceeded,
            ServiceError::CursorExpired => Reason::CursorExpired,
            ServiceError::WatchInterrupted(interruption) => {
                self.say("interruption", interruption.as_str());
                self.message = Some(words(*interruption));
                Reason::Overloaded
            }
            ServiceError::Store(StoreError::Unavailable(_)) => Reason::StoreUnavailable,
            ServiceError::Store(StoreError::OutcomeUnknown(_)) => Reason::OutcomeUnknown,
            ServiceError::Store(StoreError::Damaged(_))
            | ServiceError::Hasher(_)
            | ServiceError::Pepper(_)
            | ServiceError::Internal(_) => Reason::Internal,
        }
    }

    /// Adds an entry to the `ErrorInfo`'s metadata.
    fn say(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), value.to_owned());
    }

    fn retry_after(&mut self, delay: Duration) {
        self.retry_after = Some(delay);
    }

    fn unmet(&mut self, reason: Reason, subject: &str, description: &str) -> Reason {
        self.details.add_precondition_failure_violation(reason.name(), subject, description);
        reason
    }

    /// Adds as many violations as fit.
    fn violated(&mut self, mut violations: Vec<FieldViolation>) {
        let mut bytes = 0;
        let fitting = violations.iter().take_while(|violation| {
            bytes += violation.field.len() + violation.description.len() + violation.reason.len() + 12;
            bytes <= MAX_VIOLATION_BYTES
        });
        let left_out = violations.len() - fitting.count();
        if left_out > 0 {
            violations.truncate(violations.len() - left_out);
            self.say("violations_left_out", &left_out.to_string());
        }
        if !violations.is_empty() {
            self.details.set_bad_request(violations);
        }
    }

    fn status(mut self, reason: Reason, asked: Asked) -> Status {
        let pushback = self.pushback(reason.retry());
        self.metadata.entry("http_status".to_owned()).or_insert_with(|| reason.http_status().to_string());
        self.details.set_error_info(reason.name(), ERROR_DOMAIN, self.metadata);
        self.details.set_request_info(asked.request_id.to_string(), "");
        let mut trailers = MetadataMap::new();
        if let Some(pushback) = pushback {
            trailers.insert(RETRY_PUSHBACK, pushback.into());
        }
        let message = self.message.unwrap_or(reason.message());
        Status::with_error_details_and_metadata(reason.code(), message, self.details, trailers)
    }

    /// The pushback, and a `RetryInfo` that says the same.
    fn pushback(&mut self, retry: Retry) -> Option<i32> {
        // In whole milliseconds, rounded up: a caller who comes back at the earliest moment is not too early.
        let millis = |delay: Duration| u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let default = (retry == Retry::Later).then_some(RETRY_DELAY);
        let delay = self.retry_after.or(default).map(millis);
        if delay.is_some() {
            self.details.set_retry_info(delay.map(Duration::from_millis));
        }
        match retry {
            Retry::Later => delay.map(|millis| i32::try_from(millis).unwrap_or(i32::MAX)),
            Retry::Forbidden => Some(-1),
            Retry::Unnamed => None,
        }
    }
}

const fn not_found(missing: Missing) -> Reason {
    match missing {
        Missing::Tenant => Reason::TenantNotFound,
        Missing::MailDomain => Reason::DomainNotFound,
        Missing::User => Reason::UserNotFound,
        Missing::Instance => Reason::InstanceNotFound,
        Missing::Account => Reason::AccountNotFound,
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

fn field_violation(invalid: &InvalidField) -> FieldViolation {
    violation(invalid.field, &invalid.problem.to_string(), invalid.problem.reason())
}

fn violation(field: &str, description: &str, reason: &str) -> FieldViolation {
    let mut violation = FieldViolation::new(field, description);
    reason.clone_into(&mut violation.reason);
    violation
}

/// What a watcher is told: an interruption is no overload of the service, whose reason it shares.
const fn words(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::TooManyWatches => "there are too many watches",
        Interruption::TooSlow => "the watch takes its events too slowly",
        Interruption::Stopping => "the service is stopping",
    }
}

#[cfg(test)]
mod tests;
