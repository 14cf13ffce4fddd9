//! Every error, as it is on the wire.

use std::error::Error;

use tonic::Code;

use super::*;
use crate::domain::action::Action;
use crate::domain::credential::Version;
use crate::domain::field::FieldProblem;
use crate::policy::{Finding, Violation};
use crate::ports::meter::QuotaHolder;
use crate::ports::{DenialProblem, HasherError, HookUnavailable, NotAdmitted, SignatureRefusal, StoreError};
use crate::service::error::{Interruption, Missing, Stateful, with_causes};

const SECONDS: Duration = Duration::from_secs(7);

fn asked(action: Action) -> RequestContext {
    RequestContext::of_test(Some(action))
}

fn broken(count: usize) -> ServiceError {
    let finding = Finding::Forbidden("it holds a part of the user's name");
    ServiceError::PolicyViolation((0..count).map(|_| Violation { rule: "MIN_LENGTH", finding }).collect())
}

fn denied() -> ServiceError {
    ServiceError::AccessDenied {
        action: Action::ChangePassword,
        resource: "acs:ram::acme:user/eve".to_owned(),
        message: None,
    }
}

fn state(of: Stateful) -> ServiceError {
    ServiceError::ResourceState { of, state: "creating" }
}

fn away() -> Box<dyn Error + Send + Sync> {
    "disk I/O error at /var/lib/secret".into()
}

/// The code, the reason, the mirrored HTTP status and the vendor's code (`~` before one that is only the nearest).
fn explained(error: &ServiceError, action: Action) -> (Code, String, String, String) {
    let status = of_error(error, &asked(action));
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.domain, "credential.v1");
    assert_eq!(details.request_info().unwrap().request_id, "00000000-0000-0000-0000-0000000000AB");
    let vendor_code = match (info.metadata.get("vendor_code"), info.metadata.get("vendor_code_nearest")) {
        (Some(exact), None) => exact.clone(),
        (None, Some(nearest)) => format!("~{nearest}"),
        (None, None) => String::new(),
        (Some(_), Some(_)) => panic!("both vendor codes"),
    };
    (status.code(), info.reason.clone(), info.metadata["http_status"].clone(), vendor_code)
}

#[test]
fn every_error_has_its_code_its_reason_and_its_http_status() {
    use ServiceError as E;
    let rows: Vec<(ServiceError, Code, &str, &str)> = vec![
        (E::Unauthenticated, Code::Unauthenticated, "UNAUTHENTICATED", "401"),
        (SignatureRefusal::NonceUsed.into(), Code::Unauthenticated, "UNAUTHENTICATED", "401"),
        (E::CallerNotEligible(Action::ChangePassword), Code::FailedPrecondition, "CALLER_NOT_ELIGIBLE", "400"),
        (E::invalid_field("tenant", FieldProblem::Missing), Code::InvalidArgument, "INVALID_FIELD", "400"),
        (denied(), Code::PermissionDenied, "ACCESS_DENIED", "403"),
        (E::NotFound(Missing::Tenant), Code::NotFound, "TENANT_NOT_FOUND", "404"),
        (E::NotFound(Missing::MailDomain), Code::NotFound, "DOMAIN_NOT_FOUND", "404"),
        (E::NotFound(Missing::User), Code::NotFound, "USER_NOT_FOUND", "404"),
        (E::NotFound(Missing::Instance), Code::NotFound, "INSTANCE_NOT_FOUND", "404"),
        (E::NotFound(Missing::Account), Code::NotFound, "ACCOUNT_NOT_FOUND", "404"),
        (E::NotFound(Missing::AccessToken), Code::NotFound, "ACCESS_TOKEN_NOT_FOUND", "404"),
        (E::AlreadyExists, Code::AlreadyExists, "ALREADY_EXISTS", "409"),
        (E::NotEmpty, Code::FailedPrecondition, "NOT_EMPTY", "400"),
        (state(Stateful::MailDomain), Code::FailedPrecondition, "RESOURCE_STATE", "400"),
        (state(Stateful::Instance), Code::FailedPrecondition, "RESOURCE_STATE", "403"),
        (state(Stateful::Account), Code::FailedPrecondition, "RESOURCE_STATE", "403"),
        (E::SelfChangeDisabled, Code::PermissionDenied, "SELF_CHANGE_DISABLED", "403"),
        (E::PasswordTooYoung { retry_after: SECONDS }, Code::FailedPrecondition, "PASSWORD_TOO_YOUNG", "400"),
        (E::PasswordExpired, Code::FailedPrecondition, "PASSWORD_EXPIRED", "400"),
        (E::VersionConflict { current: None }, Code::Aborted, "VERSION_CONFLICT", "409"),
        (broken(1), Code::InvalidArgument, "PASSWORD_POLICY_VIOLATION", "400"),
        (E::PasswordReused, Code::InvalidArgument, "PASSWORD_REUSED", "400"),
        (E::OldPasswordIncorrect, Code::InvalidArgument, "OLD_PASSWORD_INCORRECT", "400"),
        (DenialProblem::Expired.into(), Code::InvalidArgument, "AUTHORIZATION_MESSAGE_INVALID", "400"),
        (E::ClientTokenMismatch, Code::InvalidArgument, "CLIENT_TOKEN_MISMATCH", "400"),
        (E::TooManyAttempts { retry_after: SECONDS }, Code::ResourceExhausted, "TOO_MANY_ATTEMPTS", "429"),
        (E::AttemptsStopped { retry_after: SECONDS }, Code::ResourceExhausted, "TOO_MANY_ATTEMPTS", "429"),
        (
            NotAdmitted::DeadlineTooShort { expected_wait: SECONDS, enough: SECONDS }.into(),
            Code::DeadlineExceeded,
            "DEADLINE_TOO_SHORT",
            "504",
        ),
        (NotAdmitted::Overloaded { expected_wait: SECONDS }.into(), Code::Unavailable, "OVERLOADED", "503"),
        (E::QuotaUsedUp { of: QuotaHolder::Tenant, retry_after: SECONDS }, Code::Unavailable, "OVERLOADED", "503"),
        (E::CursorExpired, Code::OutOfRange, "CURSOR_EXPIRED", "400"),
        (E::WatchInterrupted(Interruption::TooSlow), Code::Unavailable, "OVERLOADED", "503"),
        (E::DeadlineExceeded, Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "504"),
        (StoreError::Unavailable(away()).into(), Code::Unavailable, "STORE_UNAVAILABLE", "503"),
        (StoreError::OutcomeUnknown(away()).into(), Code::Unavailable, "OUTCOME_UNKNOWN", "503"),
        (StoreError::Damaged("row 3".to_owned()).into(), Code::Internal, "INTERNAL", "500"),
        (HasherError::Abandoned.into(), Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "504"),
        (HasherError::Stopped.into(), Code::Internal, "INTERNAL", "500"),
        (E::Internal("impossible"), Code::Internal, "INTERNAL", "500"),
    ];
    for (error, code, reason, http_status) in rows {
        let expected = (code, reason.to_owned(), http_status.to_owned(), String::new());
        assert_eq!(explained(&error, Action::ListTenants), expected, "{error:?}");
    }
}

#[test]
fn what_a_vendor_offers_too_has_its_codes_and_nothing_else_has() {
    use Action::{ChangePassword, ChangePasswordV5, ModifyAccountPassword, ModifyPwByDomain};
    let bad = ServiceError::invalid_field;
    let rows: Vec<(ServiceError, [&str; 4])> = vec![
        (bad("domain_name", FieldProblem::Missing), ["InvalidDomainName.Malformed", "", "~IAM.0007", ""]),
        (bad("instance_id", FieldProblem::Missing), ["", "", "~IAM.0007", "~MissingInstanceId"]),
        (bad("instance_id", FieldProblem::Character { allowed: "" }), ["", "", "~IAM.0007", ""]),
        (bad("account_name", FieldProblem::Missing), ["", "", "~IAM.0007", "~InvalidAccountName.Format"]),
        (
            broken(1),
            [
                "InvalidDomainPassword.Malformed",
                "InvalidParameter.NewPassword.TooWeak",
                "~1118",
                "~InvalidAccountPassword.Format",
            ],
        ),
        (
            ServiceError::PasswordReused,
            ["InvalidDomainPassword.equalcurrent", "InvalidParameter.NewPassword.ReusePrevention", "~1108", ""],
        ),
        (ServiceError::OldPasswordIncorrect, ["", "InvalidParameter.OldPassword.Incorrect", "~1103", ""]),
        (ServiceError::CallerNotEligible(ChangePassword), ["", "NotSupport.Account", "", ""]),
        (state(Stateful::MailDomain), ["InvalidDomainStatus.Malformed", "", "", ""]),
        (state(Stateful::Instance), ["", "", "", "~IncorrectDBInstanceState"]),
        (state(Stateful::Account), ["", "", "", "~IncorrectDBInstanceState"]),
        (denied(), ["Forbidden", "NoPermission", "~PAP5.0001", "~Forbidden.RAM"]),
        (ServiceError::NotFound(Missing::MailDomain), ["InvalidDomain.NotFound", "", "", ""]),
        (ServiceError::NotFound(Missing::User), ["", "EntityNotExist.User", "~IAM.0004", ""]),
        (ServiceError::NotFound(Missing::Instance), ["", "", "", "~InvalidInstanceId.NotFound"]),
        (ServiceError::NotFound(Missing::Account), ["", "", "", "~InvalidAccountName.NotFound"]),
        (ServiceError::Unauthenticated, [""; 4]),
        (
            SignatureRefusal::Mismatch.into(),
            ["SignatureDoesNotMatch", "SignatureDoesNotMatch", "~APIGW.0301", "~SignatureDoesNotMatch"],
        ),
        (ServiceError::VersionConflict { current: None }, [""; 4]),
    ];
    for (error, expected) in rows {
        let codes = [ModifyPwByDomain, ChangePassword, ChangePasswordV5, ModifyAccountPassword]
            .map(|action| explained(&error, action).3);
        assert_eq!(codes, expected, "{error:?}");
        assert_eq!(explained(&error, Action::ResetAccountPassword).3, expected[3], "{error:?}");
        assert_eq!(explained(&error, Action::ResetPassword).3, "", "{error:?}");
    }
}

#[test]
fn every_violation_names_the_field_of_the_rpc() {
    for (action, field) in [
        (Action::ModifyPwByDomain, "password"),
        (Action::ChangePassword, "new_password"),
        (Action::ChangePasswordV5, "new_password"),
        (Action::ModifyAccountPassword, "new_account_password"),
        (Action::ResetAccountPassword, "account_password"),
        (Action::CreateRamUser, "password"),
    ] {
        let details = of_error(&broken(2), &asked(action)).get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 2);
        assert!(violations.iter().all(|v| v.field == field && v.reason == "MIN_LENGTH"), "{violations:?}");
    }
}

#[test]
fn a_retry_that_is_allowed_later_has_a_delay() {
    for error in [
        ServiceError::TooManyAttempts { retry_after: SECONDS },
        ServiceError::AttemptsStopped { retry_after: SECONDS },
        ServiceError::QuotaUsedUp { of: QuotaHolder::Caller, retry_after: SECONDS },
        ServiceError::PasswordTooYoung { retry_after: SECONDS },
        NotAdmitted::Overloaded { expected_wait: SECONDS }.into(),
    ] {
        let status = of_error(&error, &asked(Action::ChangePassword));
        assert_eq!(status.get_error_details().retry_info().unwrap().retry_delay, Some(SECONDS), "{error:?}");
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "7000", "{error:?}");
    }
}

#[test]
fn a_failure_of_the_hook_that_counts_as_an_attempt_forbids_retries() {
    for (counts, pushback, delay) in [(true, "-1", None), (false, "1000", Some(Duration::from_secs(1)))] {
        let status = of_error(&HookUnavailable { counts, source: away() }.into(), &asked(Action::VerifyPassword));
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), pushback);
        assert_eq!(status.get_error_details().retry_info().and_then(|info| info.retry_delay), delay);
    }
}

#[test]
fn a_deadline_that_is_too_short_is_answered_with_one_that_is_enough() {
    for (micros, expected) in [(1, "1"), (50_000, "50"), (50_001, "51")] {
        let enough = Duration::from_micros(micros);
        let error = NotAdmitted::DeadlineTooShort { expected_wait: Duration::ZERO, enough }.into();
        let details = of_error(&error, &asked(Action::VerifyPassword)).get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["expected_wait_ms"], expected);
        assert!(details.retry_info().is_none(), "the same request fails again");
    }
}

#[test]
fn every_reason_tells_retry_policies_what_it_has_decided() {
    for &reason in Reason::ALL {
        let status = of_reason(reason, &asked(Action::ChangePassword));
        let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap());
        let (expected, delay) = match reason.retry() {
            // If nothing better is known.
            Retry::Later => (Some("1000"), Some(Duration::from_secs(1))),
            Retry::Forbidden => (Some("-1"), None),
            Retry::Unnamed => (None, None),
        };
        assert_eq!(pushback, expected, "{}", reason.name());
        assert_eq!(status.get_error_details().retry_info().and_then(|info| info.retry_delay), delay);
    }
}

#[test]
fn a_pushback_is_rounded_up_is_never_zero_and_fits_into_32_bits() {
    let pushback = |retry_after| {
        let status = of_error(&ServiceError::TooManyAttempts { retry_after }, &asked(Action::ChangePassword));
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(pushback(Duration::ZERO), "1");
    assert_eq!(pushback(Duration::from_nanos(1_000_001)), "2");
    assert_eq!(pushback(Duration::from_hours(24 * 365)), i32::MAX.to_string());
}

#[test]
fn an_interrupted_watch_has_its_own_message_and_not_that_of_an_overload() {
    for (interruption, words) in [
        (Interruption::Stopping, "the service is stopping"),
        (Interruption::TooSlow, "the watch takes its events too slowly"),
        (Interruption::TooManyWatches, "there are too many watches"),
    ] {
        let status = of_error(&ServiceError::WatchInterrupted(interruption), &asked(Action::WatchChanges));
        assert_eq!(status.message(), words);
    }
}

#[test]
fn a_cause_that_its_error_repeats_is_reported_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("can't read: {0}")]
    struct Repeats(#[source] Cause);
    #[derive(Debug, thiserror::Error)]
    #[error("the disk is gone")]
    struct Cause;
    let error = ServiceError::from(StoreError::Unavailable(Box::new(Repeats(Cause))));
    let explained = with_causes(error.to_string(), error.source());
    assert_eq!(explained, "the store is unavailable: can't read: the disk is gone");
}

#[test]
fn a_conflict_tells_the_current_version() {
    let explained = |current| {
        let status = of_error(&ServiceError::VersionConflict { current }, &asked(Action::ChangePassword));
        status.get_error_details().error_info().unwrap().metadata["current_version"].clone()
    };
    assert_eq!((explained(Version::new(7)), explained(None)), ("7".to_owned(), "0".to_owned()));
}

#[test]
fn a_cause_stays_inside() {
    let status = of_error(&StoreError::Unavailable(away()).into(), &asked(Action::ChangePassword));
    let shown = format!("{status:?} {:?}", status.get_error_details());
    assert!(!shown.contains("disk") && !shown.contains("secret"), "{shown}");
}

#[test]
fn all_details_stay_under_6_kib_on_the_wire() {
    for action in [Action::ModifyPwByDomain, Action::CreateIamUser] {
        let status = of_error(&broken(1000), &asked(action));
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        assert!(headers["grpc-status-details-bin"].len() < 6 * 1024);
        let details = status.get_error_details();
        let explained = details.bad_request().unwrap().field_violations.len();
        let left_out: usize = details.error_info().unwrap().metadata["violations_left_out"].parse().unwrap();
        assert_eq!(explained + left_out, 1000);
    }
}
