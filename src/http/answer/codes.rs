//! The vendors' codes. The codes that a source ties to an operation are in `edge::vendor_code`; these are for the rest, and
//! as near as the vendors' lists come. `docs/vendor-sdks.md` has both, and says which are our reading.

use super::Vendor;
use crate::edge::Reason;

/// What is answered for a reason: Alibaba Cloud's code, Huawei Cloud's code, and the HTTP status.
///
/// The status is the one that the reason mirrors, with these exceptions. A signature that Alibaba Cloud refuses is 400. An
/// unknown operation is 404. What may have changed a password is 500, and what did not is 503, but never 504, which
/// Huawei's SDK for Node sends again to its next endpoint.
///
/// No wildcard: a new reason does not build until its codes are decided.
const fn answer(reason: Reason) -> (&'static str, &'static str, u16) {
    let status = reason.http_status();
    match reason {
        Reason::InvalidField => ("InvalidParameter", "IAM.0007", status),
        Reason::PasswordPolicyViolation => ("InvalidPassword.Malformed", "1118", status),
        Reason::PasswordReused => ("InvalidPassword.Malformed", "1108", status),
        Reason::OldPasswordIncorrect => ("InvalidParameter.OldPassword.Incorrect", "1103", status),
        Reason::ClientTokenMismatch => ("IdempotentParameterMismatch", "IAM.0005", status),
        Reason::AuthorizationMessageInvalid => ("InvalidParameter", "IAM.0073", status),
        Reason::CallerNotEligible => ("NotSupport.Account", "IAM.0002", status),
        Reason::ResourceState => ("IncorrectDBInstanceState", "IAM.0005", status),
        Reason::PasswordTooYoung | Reason::PasswordExpired | Reason::SelfChangeDisabled => {
            ("NoPermission", "IAM.0003", status)
        }
        Reason::Unauthenticated => ("SignatureDoesNotMatch", "APIGW.0301", status),
        Reason::AccessDenied => ("Forbidden.RAM", "PAP5.0001", status),
        Reason::DomainNotFound => ("InvalidDomain.NotFound", "IAM.0004", status),
        Reason::UserNotFound | Reason::TenantNotFound => ("EntityNotExist.User", "IAM.0004", status),
        Reason::InstanceNotFound => ("InvalidInstanceId.NotFound", "IAM.0004", status),
        Reason::AccountNotFound => ("InvalidAccountName.NotFound", "IAM.0004", status),
        Reason::AlreadyExists => ("EntityAlreadyExists.User", "IAM.0005", status),
        Reason::NotEmpty | Reason::VersionConflict => ("TaskExists", "IAM.0005", status),
        Reason::TooManyAttempts => ("Throttling.User", "APIGW.0308", status),
        Reason::CursorExpired | Reason::MessageTooLarge | Reason::UnsupportedCompression => {
            ("InvalidParameter", "APIGW.0201", status)
        }
        Reason::Overloaded | Reason::StoreUnavailable | Reason::HookUnavailable | Reason::DeadlineTooShort => {
            ("ServiceUnavailable", "IAM.0012", 503)
        }
        Reason::OutcomeUnknown | Reason::DeadlineExceeded | Reason::Internal => ("InternalError", "IAM.0006", 500),
        Reason::AccessTokenNotFound | Reason::ServiceNotFound | Reason::UnknownMethod => {
            ("InvalidAction.NotFound", "APIGW.0101", 404)
        }
    }
}

impl Vendor {
    /// The code and the status for a reason to which no source ties a code of the operation.
    pub(super) const fn code_of(self, reason: Reason) -> (&'static str, u16) {
        let (alibaba, huawei, status) = answer(reason);
        match (self, reason) {
            (Self::Alibaba, Reason::Unauthenticated) => (alibaba, 400),
            (Self::Alibaba, _) => (alibaba, status),
            (Self::Huawei, _) => (huawei, status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_failure_with_a_code_for_every_sdk() {
        for &reason in Reason::ALL {
            for vendor in [Vendor::Alibaba, Vendor::Huawei] {
                let (code, status) = vendor.code_of(reason);
                // Below 400 is a success to Huawei's SDK, and 504 is sent again.
                assert!((400..504).contains(&status), "{reason:?} {vendor:?}: {status}");
                // `OK` and `Success` are no errors to `pop-core`.
                assert!(!code.is_empty() && !["OK", "Success", "200"].contains(&code), "{reason:?}");
            }
        }
    }

    #[test]
    fn the_document_has_every_reason_with_its_codes_and_its_status() {
        let document = include_str!("../../../docs/vendor-sdks.md");
        for &reason in Reason::ALL {
            let row = document.lines().find(|line| line.starts_with(&format!("| `{}`", reason.name())));
            let row = row.unwrap_or_else(|| panic!("{} has no row", reason.name()));
            for vendor in [Vendor::Alibaba, Vendor::Huawei] {
                let (code, status) = vendor.code_of(reason);
                // A code that a source ties to the operation takes the place of this one.
                let has_code = row.contains(&format!("`{code}`")) || reason == Reason::AccessDenied;
                assert!(has_code && row.contains(&status.to_string()), "{row}: {code} {status}");
            }
        }
    }

    #[test]
    fn what_may_have_changed_a_password_is_no_refusal() {
        for reason in [Reason::OutcomeUnknown, Reason::DeadlineExceeded] {
            assert_eq!(Vendor::Alibaba.code_of(reason), ("InternalError", 500));
            assert_eq!(Vendor::Huawei.code_of(reason), ("IAM.0006", 500));
        }
        for reason in [Reason::Overloaded, Reason::StoreUnavailable, Reason::DeadlineTooShort] {
            assert_eq!(Vendor::Alibaba.code_of(reason), ("ServiceUnavailable", 503));
        }
    }
}
