//! An error of the service as text.

use std::error::Error;

use serde_json::{Value as Json, json};
use tonic::{Code, Status};
use tonic_types::{FieldViolation, PreconditionViolation, StatusExt};

use super::object::Object;
use crate::cli::failure::{Failure, Kind};
use crate::cli::tls::advice;
use crate::domain::text::printable;
use crate::edge::Reason;
use crate::service::error::with_causes;

/// The failure of a command whose call was answered so.
pub(in crate::cli) fn failure(status: &Status) -> Failure {
    let kind = match reason(status) {
        Some(reason) => kind_of(reason),
        // A service newer than this program.
        None if is_answer(status) && is_passing(status.code()) => Kind::NotNow,
        // Errors of the connection that stay have advice.
        None if is_of_connection(status) && advice(status).is_none() => Kind::NotNow,
        None => Kind::Failed,
    };
    Failure::of(kind, text(status)).with_details(details(status))
}

/// The same, with the name of what the call was about.
pub(in crate::cli) fn about(status: &Status, object: &Object) -> Failure {
    let named = reason(status).and_then(|reason| object.message(reason, status.message()));
    match named {
        Some(named) => failure(status).with_first_line(&named),
        None => failure(status),
    }
}

/// What kind of failure a reason is. A new reason does not compile until this is decided.
const fn kind_of(reason: Reason) -> Kind {
    match reason {
        Reason::OldPasswordIncorrect => Kind::WrongPassword,
        Reason::PasswordTooYoung
        | Reason::TooManyAttempts
        | Reason::Overloaded
        | Reason::StoreUnavailable
        | Reason::HookUnavailable
        | Reason::OutcomeUnknown
        | Reason::DeadlineTooShort
        | Reason::DeadlineExceeded => Kind::NotNow,
        Reason::InvalidField
        | Reason::PasswordPolicyViolation
        | Reason::PasswordReused
        | Reason::ClientTokenMismatch
        | Reason::AuthorizationMessageInvalid
        | Reason::CallerNotEligible
        | Reason::ResourceState
        | Reason::PasswordExpired
        | Reason::NotEmpty
        | Reason::Unauthenticated
        | Reason::AccessDenied
        | Reason::SelfChangeDisabled
        | Reason::DomainNotFound
        | Reason::UserNotFound
        | Reason::InstanceNotFound
        | Reason::AccountNotFound
        | Reason::AccessTokenNotFound
        | Reason::TenantNotFound
        | Reason::ServiceNotFound
        | Reason::AlreadyExists
        | Reason::VersionConflict
        | Reason::CursorExpired
        | Reason::MessageTooLarge
        | Reason::UnsupportedCompression
        | Reason::UnknownMethod
        | Reason::Internal => Kind::Failed,
    }
}

/// The service's reason, if this program knows it. The errors of the connection have none.
pub(in crate::cli) fn reason(status: &Status) -> Option<Reason> {
    Reason::of_name(&status.get_error_details().error_info()?.reason)
}

/// Whether it is an error of the connection or of its time limit, and no answer of the service.
pub(in crate::cli) fn is_of_connection(status: &Status) -> bool {
    !is_answer(status) && (is_passing(status.code()) || matches!(status.code(), Code::Cancelled | Code::Unknown))
}

fn is_answer(status: &Status) -> bool {
    status.get_error_details().error_info().is_some()
}

const fn is_passing(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded)
}

/// The message, and the details on the lines below.
pub(in crate::cli) fn text(status: &Status) -> String {
    let details = status.get_error_details();
    let mut lines = vec![message(status)];
    lines.extend(advice(status).map(str::to_owned));
    if let Some(info) = details.error_info() {
        lines.push(format!("reason: {}", info.reason));
    }
    for violation in details.bad_request().into_iter().flat_map(|bad| &bad.field_violations) {
        let reason = if violation.reason.is_empty() { String::new() } else { format!(" ({})", violation.reason) };
        lines.push(format!("{}: {}{reason}", violation.field, violation.description));
    }
    for violation in details.precondition_failure().into_iter().flat_map(|failure| &failure.violations) {
        lines.push(format!("{}: {}", violation.subject, violation.description));
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        lines.push(format!("try again in {} seconds", delay.as_secs_f64().ceil()));
    }
    if let Some(id) = request_id(status) {
        lines.push(format!("request id: {id}"));
    }
    lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n  ")
}

/// The same for programs.
fn details(status: &Status) -> Json {
    let details = status.get_error_details();
    let fields = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    let field = |field: &FieldViolation| json!({ "field": field.field, "description": field.description, "reason": field.reason });
    let fields: Vec<_> = fields.map(field).collect();
    let conditions = details.precondition_failure().into_iter().flat_map(|failure| &failure.violations);
    let condition =
        |unmet: &PreconditionViolation| json!({ "subject": unmet.subject, "description": unmet.description });
    let conditions: Vec<_> = conditions.map(condition).collect();
    let parts = [
        ("message", Some(message(status).into())),
        ("reason", details.error_info().map(|info| info.reason.clone().into())),
        ("fields", Some(fields).filter(|fields| !fields.is_empty()).map(Json::from)),
        ("conditions", Some(conditions).filter(|conditions| !conditions.is_empty()).map(Json::from)),
        ("retry_after_seconds", details.retry_info().and_then(|retry| Some(retry.retry_delay?.as_secs_f64().into()))),
        ("request_id", request_id(status).map(Json::from)),
        ("hint", advice(status).map(Json::from)),
    ];
    let parts = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Json::Object(parts.collect())
}

fn message(status: &Status) -> String {
    let message = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    // Only the transport's own errors have causes.
    with_causes(message, status.source())
}

fn request_id(status: &Status) -> Option<String> {
    let in_details = status.get_error_details().request_info().map(|info| info.request_id.clone());
    let in_metadata = || status.metadata().get("x-request-id")?.to_str().ok().map(str::to_owned);
    in_details.or_else(in_metadata)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::edge::Retry;

    #[test]
    fn a_refusal_tells_everything_that_its_details_say() {
        let mut details = ErrorDetails::new();
        let violations = [("domain_name", "is required"), ("region", "bad\n\u{1b}[2J")];
        let violations = violations.map(|(field, description)| FieldViolation::new(field, description)).to_vec();
        details.set_error_info("INVALID_FIELD", "credential.v1", std::collections::HashMap::new());
        details.set_bad_request(violations).set_request_info("REQUEST-1", "");
        let status = Status::with_error_details(Code::InvalidArgument, "invalid fields", details);
        let expected = "invalid fields\n  reason: INVALID_FIELD\n  domain_name: is required\n  \
                        region: bad\\n\\u{1b}[2J\n  request id: REQUEST-1";
        assert_eq!(text(&status), expected);
        let fields = json!([
            { "field": "domain_name", "description": "is required", "reason": "" },
            { "field": "region", "description": "bad\n\u{1b}[2J", "reason": "" },
        ]);
        let error = json!({
            "message": "invalid fields",
            "reason": "INVALID_FIELD",
            "fields": fields,
            "request_id": "REQUEST-1",
            "exit_status": 1,
        });
        assert_eq!(failure(&status).to_json(), json!({ "error": error }));
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        let status = |code: Code, reason: &str| {
            let mut details = ErrorDetails::new();
            if !reason.is_empty() {
                details.set_error_info(reason, "credential.v1", std::collections::HashMap::new());
            }
            Status::with_error_details(code, "no", details)
        };
        for (code, reason) in [
            (Code::ResourceExhausted, "TOO_MANY_ATTEMPTS"),
            (Code::FailedPrecondition, "PASSWORD_TOO_YOUNG"),
            (Code::Unavailable, "A_NEW_REASON"),
            (Code::Unavailable, "OVERLOADED"),
            (Code::DeadlineExceeded, "DEADLINE_TOO_SHORT"),
            (Code::Unavailable, ""),
            (Code::Cancelled, ""),
        ] {
            assert!(failure(&status(code, reason)).kind() == Kind::NotNow, "{code:?} {reason}");
        }
        for (code, reason) in [
            (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
            (Code::PermissionDenied, "ACCESS_DENIED"),
            (Code::Unauthenticated, "UNAUTHENTICATED"),
            (Code::InvalidArgument, "INVALID_FIELD"),
            (Code::FailedPrecondition, "A_NEW_REASON"),
        ] {
            assert!(failure(&status(code, reason)).kind() == Kind::Failed, "{code:?} {reason}");
        }
        let wrong = failure(&status(Code::InvalidArgument, "OLD_PASSWORD_INCORRECT"));
        assert_eq!(wrong.kind(), Kind::WrongPassword);
    }

    #[test]
    fn what_may_be_sent_again_as_it_is_may_pass() {
        for reason in Reason::ALL.iter().filter(|reason| reason.retry() == Retry::Later) {
            assert_eq!(kind_of(*reason), Kind::NotNow, "{}", reason.name());
        }
    }

    #[test]
    fn a_refusal_without_details_has_words_too() {
        assert_eq!(text(&Status::new(Code::Unavailable, "")), Code::Unavailable.description());
    }
}
