//! Every reason that an error can have, with what it is on the wire.

use tonic::Code;

/// What retry policies (gRFC A6) are told of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request may succeed later: its `RetryInfo` and its `grpc-retry-pushback-ms` say when.
    Later,
    /// Retry policies name its code, but the same request must not be sent again: a pushback of -1.
    Forbidden,
    /// No retry policy names its code, so there is nothing to say. A pushback of -1 would count as a failure of the
    /// channel (`retryThrottling`), and a caller's own mistakes would use up what its retries may cost.
    Unnamed,
}

/// Declares the reasons, each with its name, its code, the HTTP status that it mirrors, what retry policies are told, and
/// its fixed words.
macro_rules! reasons {
    ($($variant:ident = $name:literal $code:ident $http:literal $retry:ident $message:literal,)+) => {
        /// Why a call failed, for programs: the `reason` of the `google.rpc.ErrorInfo`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(
                #[doc = concat!("`", $name, "`: ", $message)]
                $variant,
            )+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The gRPC code.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code),+ }
            }

            /// The HTTP status that is mirrored. `RESOURCE_STATE` mirrors 403 where an instance or an account is meant.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http),+ }
            }

            /// What retry policies are told.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry),+ }
            }

            /// The status message. Fixed words: whatever is dynamic is in the details.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),+ }
            }
        }
    };
}

reasons! {
    InvalidField = "INVALID_FIELD" InvalidArgument 400 Unnamed "the request is malformed or has invalid fields",
    PasswordPolicyViolation = "PASSWORD_POLICY_VIOLATION" InvalidArgument 400 Unnamed "the new password breaks the policy",
    PasswordReused = "PASSWORD_REUSED" InvalidArgument 400 Unnamed "the new password was used before",
    OldPasswordIncorrect = "OLD_PASSWORD_INCORRECT" InvalidArgument 400 Unnamed "the old password is incorrect",
    ClientTokenMismatch = "CLIENT_TOKEN_MISMATCH" InvalidArgument 400 Unnamed "the client token stands for another request",
    CallerNotEligible = "CALLER_NOT_ELIGIBLE" FailedPrecondition 400 Unnamed "this kind of caller can't use this method",
    ResourceState = "RESOURCE_STATE" FailedPrecondition 400 Unnamed "the resource's state does not allow it",
    PasswordTooYoung = "PASSWORD_TOO_YOUNG" FailedPrecondition 400 Later "the password was changed too short a while ago",
    PasswordExpired = "PASSWORD_EXPIRED" FailedPrecondition 400 Unnamed
        "the password has expired and only an administrator can replace it",
    NotEmpty = "NOT_EMPTY" FailedPrecondition 400 Unnamed "it still has what belongs to it",
    Unauthenticated = "UNAUTHENTICATED" Unauthenticated 401 Unnamed "valid credentials are required",
    AccessDenied = "ACCESS_DENIED" PermissionDenied 403 Unnamed "access is denied",
    SelfChangeDisabled = "SELF_CHANGE_DISABLED" PermissionDenied 403 Unnamed "users may not change their own password",
    DomainNotFound = "DOMAIN_NOT_FOUND" NotFound 404 Unnamed "there is no such mail domain",
    UserNotFound = "USER_NOT_FOUND" NotFound 404 Unnamed "there is no such user",
    InstanceNotFound = "INSTANCE_NOT_FOUND" NotFound 404 Unnamed "there is no such instance",
    AccountNotFound = "ACCOUNT_NOT_FOUND" NotFound 404 Unnamed "there is no such account",
    TenantNotFound = "TENANT_NOT_FOUND" NotFound 404 Unnamed "there is no such tenant",
    ServiceNotFound = "SERVICE_NOT_FOUND" NotFound 404 Unnamed "there is no such service or symbol",
    AlreadyExists = "ALREADY_EXISTS" AlreadyExists 409 Unnamed "it exists already",
    VersionConflict = "VERSION_CONFLICT" Aborted 409 Forbidden "the credential is at another version",
    CursorExpired = "CURSOR_EXPIRED" OutOfRange 400 Forbidden "the cursor has expired",
    TooManyAttempts = "TOO_MANY_ATTEMPTS" ResourceExhausted 429 Later "there were too many wrong passwords",
    MessageTooLarge = "MESSAGE_TOO_LARGE" ResourceExhausted 413 Forbidden "the message is too large",
    Overloaded = "OVERLOADED" Unavailable 503 Later "the service is overloaded",
    StoreUnavailable = "STORE_UNAVAILABLE" Unavailable 503 Later "the store is unavailable",
    OutcomeUnknown = "OUTCOME_UNKNOWN" Unavailable 503 Forbidden "it is not known whether the change was made",
    DeadlineTooShort = "DEADLINE_TOO_SHORT" DeadlineExceeded 504 Forbidden "the deadline is too short",
    DeadlineExceeded = "DEADLINE_EXCEEDED" DeadlineExceeded 504 Forbidden "the deadline was exceeded",
    UnsupportedCompression = "UNSUPPORTED_COMPRESSION" Unimplemented 415 Unnamed
        "the message is compressed in a way that the service does not support",
    UnknownMethod = "UNKNOWN_METHOD" Unimplemented 501 Unnamed "there is no such method",
    Internal = "INTERNAL" Internal 500 Forbidden "an internal error occurred",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_of_the_form_that_error_info_asks_for() {
        for name in Reason::ALL.iter().map(|reason| reason.name()) {
            assert!(name.len() <= 63 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
        }
    }
    #[test]
    fn every_message_is_plain_ascii() {
        for message in Reason::ALL.iter().map(|reason| reason.message()) {
            assert!(message.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'%'), "{message}");
        }
    }

    #[test]
    fn every_reason_whose_code_retry_policies_name_has_decided() {
        // Those of gRFC A6's own examples, and those that published policies add.
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
            let undecided = if named.contains(&reason.code()) { Retry::Unnamed } else { Retry::Forbidden };
            assert_ne!(reason.retry(), undecided, "{}", reason.name());
        }
    }
}
