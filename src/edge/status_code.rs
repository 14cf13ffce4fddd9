//! The status code of each reason: that of gRPC, by which the metrics of every edge count.

use super::Reason;
use crate::ports::meter::StatusCode;

impl Reason {
    /// The status code. No wildcard: a new reason does not build until it has one.
    pub const fn status_code(self) -> StatusCode {
        match self {
            Self::InvalidField
            | Self::PasswordPolicyViolation
            | Self::PasswordReused
            | Self::OldPasswordIncorrect
            | Self::ClientTokenMismatch
            | Self::AuthorizationMessageInvalid => StatusCode::InvalidArgument,
            Self::CallerNotEligible
            | Self::ResourceState
            | Self::PasswordTooYoung
            | Self::PasswordExpired
            | Self::NotEmpty => StatusCode::FailedPrecondition,
            Self::Unauthenticated => StatusCode::Unauthenticated,
            Self::AccessDenied | Self::SelfChangeDisabled => StatusCode::PermissionDenied,
            Self::DomainNotFound
            | Self::UserNotFound
            | Self::InstanceNotFound
            | Self::AccountNotFound
            | Self::AccessTokenNotFound
            | Self::TenantNotFound
            | Self::ServiceNotFound => StatusCode::NotFound,
            Self::AlreadyExists => StatusCode::AlreadyExists,
            Self::VersionConflict => StatusCode::Aborted,
            Self::CursorExpired => StatusCode::OutOfRange,
            Self::TooManyAttempts | Self::MessageTooLarge => StatusCode::ResourceExhausted,
            Self::Overloaded | Self::StoreUnavailable | Self::HookUnavailable | Self::OutcomeUnknown => {
                StatusCode::Unavailable
            }
            Self::DeadlineTooShort | Self::DeadlineExceeded => StatusCode::DeadlineExceeded,
            Self::UnsupportedCompression | Self::UnknownMethod => StatusCode::Unimplemented,
            Self::Internal => StatusCode::Internal,
        }
    }
}
