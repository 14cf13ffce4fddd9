use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::domain::action::Action;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::AuthorizationMessage;
use crate::edge::{Explanation, RequestContext};
use crate::http::parameters::ParameterProblem;
use crate::ports::{NotAdmitted, SignatureProblem, SignatureRefusal, TransportProblem};
use crate::service::ServiceError;
use crate::service::error::Stateful;

const ID: &str = "00000000-0000-0000-0000-0000000000AB";

fn shape(vendor: impl Into<Option<Vendor>>) -> Shape<'static> {
    Shape { vendor: vendor.into(), is_xml: false, request_id: RequestId(Uuid::from_u128(0xAB)), host: "here" }
}

fn explained(error: &ServiceError, action: Action) -> Refusal {
    Explanation::of_error(error, &RequestContext::of_test(Some(action))).into()
}

fn content(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// The status, the code and the message.
fn read(vendor: Vendor, refusal: Refusal) -> (u16, String, String) {
    let response = shape(vendor).refused(refusal);
    let content = content(&response);
    let names = if vendor == Vendor::Alibaba { ["Code", "Message"] } else { ["error_code", "error_msg"] };
    let [code, message] = names.map(|name| content[name].as_str().unwrap().to_owned());
    (response.status().as_u16(), code, message)
}

#[test]
fn a_success_has_the_id_where_each_vendor_has_it() {
    let response = shape(Vendor::Alibaba).success("ChangePasswordResponse", json!({}));
    assert_eq!((response.status().as_u16(), content(&response)), (200, json!({ "RequestId": ID })));
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json;charset=utf-8");
    let response = shape(Vendor::Huawei).success("", json!({}));
    assert_eq!((response.status().as_u16(), content(&response)), (200, json!({})));
    assert_eq!(response.headers()[X_REQUEST_ID], ID);
}

#[test]
fn xml_has_exactly_the_content_type_that_sdks_look_for() {
    let shape = Shape { is_xml: true, ..shape(Vendor::Alibaba) };
    let success = shape.success("ChangePasswordResponse", json!({}));
    let refused = shape.refused(SignatureProblem::Absent.into());
    for response in [&success, &refused] {
        assert_eq!(response.headers()[CONTENT_TYPE], "text/xml;charset=utf-8");
    }
    let [success, refused] = [success, refused].map(|response| String::from_utf8(response.body().to_vec()).unwrap());
    assert!(
        success.ends_with(&format!("\n<ChangePasswordResponse><RequestId>{ID}</RequestId></ChangePasswordResponse>"))
    );
    assert!(refused.contains("<Error>") && refused.contains("<Code>IncompleteSignature</Code>"), "{refused}");
}

#[test]
fn a_failure_has_everything_that_an_sdk_reads() {
    let response =
        shape(Vendor::Alibaba).refused(explained(&ServiceError::OldPasswordIncorrect, Action::ChangePassword));
    assert_eq!(
        content(&response),
        json!({
            "RequestId": ID,
            "HostId": "here",
            "Code": "InvalidParameter.OldPassword.Incorrect",
            "Message": "the old password is incorrect",
            "Reason": "OLD_PASSWORD_INCORRECT",
        }),
    );
    let response =
        shape(Vendor::Huawei).refused(explained(&ServiceError::OldPasswordIncorrect, Action::ChangePasswordV5));
    assert_eq!(
        content(&response),
        json!({
            "error_code": "1103",
            "error_msg": "the old password is incorrect",
            "request_id": ID,
            "reason": "OLD_PASSWORD_INCORRECT",
        }),
    );
    assert_eq!(response.headers()[X_REQUEST_ID], ID);
}

#[test]
fn a_request_of_which_nothing_is_known_is_answered_for_every_sdk() {
    let response = shape(None).refused(Refusal::Transport(TransportProblem::HeadTooLarge));
    let content = content(&response);
    assert_eq!(response.status(), 431);
    for name in ["Code", "Message", "RequestId", "HostId", "error_code", "error_msg", "request_id"] {
        assert!(content[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
}

#[test]
fn a_refused_permission_has_its_message_for_administrators() {
    let message = AuthorizationMessage::parse("abc").unwrap();
    let denied =
        |action| ServiceError::AccessDenied { action, resource: "r".to_owned(), message: Some(message.clone()) };
    let action = Action::ChangePassword;
    let response = shape(Vendor::Alibaba).refused(explained(&denied(action), action));
    assert_eq!((response.status().as_u16(), content(&response)["Code"].as_str()), (403, Some("NoPermission")));
    let detail = json!({ "AuthAction": "ram:ChangePassword", "EncodedDiagnosticMessage": "abc" });
    assert_eq!(content(&response)["AccessDeniedDetail"], detail);
    let action = Action::ChangePasswordV5;
    let response = shape(Vendor::Huawei).refused(explained(&denied(action), action));
    assert_eq!(content(&response)["error_code"], "PAP5.0001");
    assert_eq!(content(&response)["encoded_authorization_message"], "abc");
}

#[test]
fn a_throttled_caller_learns_when_to_come_back_in_every_form() {
    let error = ServiceError::TooManyAttempts { retry_after: Duration::from_millis(1500) };
    let response = shape(Vendor::Alibaba).refused(explained(&error, Action::ChangePassword));
    assert_eq!((response.status().as_u16(), content(&response)["Code"].as_str()), (429, Some("Throttling.User")));
    assert_eq!(response.headers()[RETRY_AFTER], "2");
    assert_eq!(response.headers()[X_ACS_RETRY_AFTER], "1500");
    let quota =
        ServiceError::QuotaUsedUp { of: crate::ports::meter::QuotaHolder::Caller, retry_after: Duration::from_secs(3) };
    let (status, code, _) = read(Vendor::Huawei, explained(&quota, Action::ChangePasswordV5));
    assert_eq!((status, code.as_str()), (429, "APIGW.0308"));

    // An overload is no throttling, and an SDK would take it for that by the header.
    let error = ServiceError::NotAdmitted(NotAdmitted::Overloaded { expected_wait: Duration::from_secs(3) });
    let response = shape(Vendor::Alibaba).refused(explained(&error, Action::ChangePassword));
    assert_eq!((response.status().as_u16(), content(&response)["Code"].as_str()), (503, Some("ServiceUnavailable")));
    assert_eq!(response.headers()[RETRY_AFTER], "3");
    assert!(!response.headers().contains_key(X_ACS_RETRY_AFTER));
}

#[test]
fn every_bad_field_is_named_as_its_vendor_names_it() {
    let problem = |field, problem| InvalidField { field, problem };
    let fields = || {
        let malformed = FieldProblem::Malformed { expected: "must be good" };
        ServiceError::InvalidFields(vec![
            problem("old_password", FieldProblem::Missing),
            problem("new_password", malformed),
        ])
    };
    let (status, code, message) = read(Vendor::Alibaba, explained(&fields(), Action::ChangePassword));
    assert_eq!((status, code.as_str()), (400, "MissingParameter"));
    assert!(message.ends_with(": OldPassword is required; NewPassword must be good"), "{message}");
    let (status, code, message) = read(Vendor::Huawei, explained(&fields(), Action::ChangePasswordV5));
    assert_eq!((status, code.as_str()), (400, "IAM.0007"));
    assert!(message.ends_with(": old_password is required; new_password must be good"), "{message}");
}

#[test]
fn a_signature_that_does_not_match_has_a_colon_and_nothing_of_the_request_after_it() {
    let refusals = [
        explained(&SignatureRefusal::Mismatch.into(), Action::ChangePassword),
        explained(&SignatureRefusal::Mismatch.into(), Action::GetPasswordPolicy),
        explained(&ServiceError::Unauthenticated, Action::ChangePassword),
        SignatureProblem::BodyDigest.into(),
    ];
    for refusal in refusals {
        let (status, code, message) = read(Vendor::Alibaba, refusal);
        assert_eq!((status, code.as_str()), (400, "SignatureDoesNotMatch"));
        assert_eq!(message.split_once(": ").map(|(_, word)| word), Some("withheld"), "{message}");
    }
}

#[test]
fn each_problem_of_a_signature_has_the_vendors_code() {
    for (refusal, expected) in [
        (SignatureRefusal::ForeignKey, (404, "InvalidAccessKeyId.NotFound")),
        (SignatureRefusal::Expired, (400, "InvalidTimeStamp.Expired")),
        (SignatureRefusal::NonceUsed, (400, "SignatureNonceUsed")),
    ] {
        for action in [Action::ChangePassword, Action::ModifyPwByDomain, Action::DescribeAccounts] {
            let (status, code, _) = read(Vendor::Alibaba, explained(&refusal.into(), action));
            assert_eq!((status, code.as_str()), expected);
        }
        let (status, code, _) = read(Vendor::Huawei, explained(&refusal.into(), Action::ChangePasswordV5));
        assert_eq!((status, code.as_str()), (401, "APIGW.0301"));
    }
    for (problem, expected) in [
        (SignatureProblem::Absent, "IncompleteSignature"),
        (SignatureProblem::Algorithm, "IncompleteSignature"),
        (SignatureProblem::Malformed("nonce"), "IncompleteSignature"),
        (SignatureProblem::HeaderNotSigned("host"), "IncompleteSignature"),
        (SignatureProblem::NotCovered("body"), "IncompleteSignature"),
        (SignatureProblem::Time, "IllegalTimestamp"),
    ] {
        let (status, code, _) = read(Vendor::Alibaba, problem.into());
        assert_eq!((status, code.as_str()), (400, expected));
        let (status, code, _) = read(Vendor::Huawei, problem.into());
        assert_eq!((status, code.as_str()), (401, "APIGW.0301"));
    }
}

#[test]
fn what_is_no_matter_of_a_use_case_is_answered_as_such() {
    let (status, code, _) = read(Vendor::Alibaba, ParameterProblem::Repeated.into());
    assert_eq!((status, code.as_str()), (400, "InvalidParameter"));
    let unknown = || Refusal::from(Explanation::of_reason(Reason::UnknownMethod));
    assert_eq!(read(Vendor::Alibaba, unknown()).1, "InvalidAction.NotFound");
    assert_eq!((read(Vendor::Huawei, unknown()).0, read(Vendor::Huawei, unknown()).1.as_str()), (404, "APIGW.0101"));
    for (problem, status, code) in [
        (TransportProblem::Malformed, 400, "InvalidParameter"),
        (TransportProblem::HeadTooLarge, 431, "InvalidParameter"),
        (TransportProblem::BodyTooLarge, 413, "InvalidParameter"),
        (TransportProblem::Incomplete, 400, "InvalidParameter"),
        (TransportProblem::TooSlow, 408, "ServiceUnavailable"),
        (TransportProblem::Version, 505, "InvalidParameter"),
        (TransportProblem::Internal, 500, "InternalError"),
    ] {
        let (found, found_code, _) = read(Vendor::Alibaba, Refusal::Transport(problem));
        assert_eq!((found, found_code.as_str()), (status, code), "{problem:?}");
    }
}

#[test]
fn the_status_of_a_state_depends_on_what_has_it() {
    for (of, action, expected) in [
        (Stateful::MailDomain, Action::ModifyPwByDomain, (400, "InvalidDomainStatus.Malformed")),
        (Stateful::Instance, Action::ModifyAccountPassword, (403, "IncorrectDBInstanceState")),
    ] {
        let error = ServiceError::ResourceState { of, state: "x" };
        let (status, code, _) = read(Vendor::Alibaba, explained(&error, action));
        assert_eq!((status, code.as_str()), expected);
    }
}
