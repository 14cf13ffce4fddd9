//! The gRPC code of each reason.

use tonic::Code;

use crate::edge::Reason;

/// The gRPC code of a reason.
pub const fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::InvalidField
        | Reason::PasswordPolicyViolation
        | Reason::PasswordReused
        | Reason::OldPasswordIncorrect
        | Reason::ClientTokenMismatch
        | Reason::AuthorizationMessageInvalid => Code::InvalidArgument,
        Reason::CallerNotEligible
        | Reason::ResourceState
        | Reason::PasswordTooYoung
        | Reason::PasswordExpired
        | Reason::NotEmpty => Code::FailedPrecondition,
        Reason::Unauthenticated => Code::Unauthenticated,
        Reason::AccessDenied | Reason::SelfChangeDisabled => Code::PermissionDenied,
        Reason::DomainNotFound
        | Reason::UserNotFound
        | Reason::InstanceNotFound
        | Reason::AccountNotFound
        | Reason::AccessTokenNotFound
        | Reason::TenantNotFound
        | Reason::ServiceNotFound => Code::NotFound,
        Reason::AlreadyExists => Code::AlreadyExists,
        Reason::VersionConflict => Code::Aborted,
        Reason::CursorExpired => Code::OutOfRange,
        Reason::TooManyAttempts | Reason::MessageTooLarge => Code::ResourceExhausted,
        Reason::Overloaded | Reason::StoreUnavailable | Reason::OutcomeUnknown => Code::Unavailable,
        Reason::DeadlineTooShort | Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::UnsupportedCompression | Reason::UnknownMethod => Code::Unimplemented,
        Reason::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Retry;

    #[test]
    fn every_reason_whose_code_retry_policies_name_has_decided() {
        // The codes of gRFC A6's own examples, and those that published policies add.
        let named = [
            Code::Cancelled,
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::ResourceExhausted,
            Code::Aborted,
            Code::OutOfRange,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for &reason in Reason::ALL {
            let undecided = if named.contains(&code_of(reason)) { Retry::Unnamed } else { Retry::Forbidden };
            assert_ne!(reason.retry(), undecided, "{}", reason.name());
        }
    }
}
