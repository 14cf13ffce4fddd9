//! Every reason of an error, and how edges report it.

use crate::ports::meter::RefusalReason;

/// What a reason means for retry policies (gRFC A6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request may succeed later: its `RetryInfo` and its `grpc-retry-pushback-ms` say when. An error without a
    /// delay counts as an attempt: a pushback of -1, which ends automatic retries.
    Later,
    /// Retry policies name its code, but the same request must not be sent again: a pushback of -1.
    Forbidden,
    /// No retry policy names its code, so no pushback is sent. A pushback of -1 would count as a failure of the channel
    /// (`retryThrottling`), and a caller's own mistakes would use up its budget of retries.
    Unnamed,
}

/// Declares the reasons, each with its name, the HTTP status that it mirrors, its meaning for retry policies, and its
/// fixed words.
macro_rules! reasons {
    ($($variant:ident = $name:literal $http:literal $retry:ident $message:literal,)+) => {
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

            /// The reason of that name on the wire.
            pub fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.name() == name)
            }

            /// The reason as a label of metrics.
            pub const fn label(self) -> RefusalReason {
                match self { $(Self::$variant => RefusalReason::$variant),+ }
            }

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The mirrored HTTP status. `RESOURCE_STATE` mirrors 403 if it is about an instance or an account.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http),+ }
            }

            /// The meaning for retry policies.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry),+ }
            }

            /// The status message. Fixed words: everything dynamic is in the details.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),+ }
            }
        }
    };
}

reasons! {
    InvalidField = "INVALID_FIELD" 400 Unnamed "the request is malformed or has invalid fields",
    PasswordPolicyViolation = "PASSWORD_POLICY_VIOLATION" 400 Unnamed "the new password breaks the policy",
    PasswordReused = "PASSWORD_REUSED" 400 Unnamed "the new password was used before",
    OldPasswordIncorrect = "OLD_PASSWORD_INCORRECT" 400 Unnamed "the old password is incorrect",
    ClientTokenMismatch = "CLIENT_TOKEN_MISMATCH" 400 Unnamed "the client token was used for another request",
    AuthorizationMessageInvalid = "AUTHORIZATION_MESSAGE_INVALID" 400 Unnamed
        "the authorization message can't be decoded",
    CallerNotEligible = "CALLER_NOT_ELIGIBLE" 400 Unnamed "this kind of caller can't use this method",
    ResourceState = "RESOURCE_STATE" 400 Unnamed "the resource's state does not allow it",
    PasswordTooYoung = "PASSWORD_TOO_YOUNG" 400 Later "the password was changed too recently",
    PasswordExpired = "PASSWORD_EXPIRED" 400 Unnamed
        "the password has expired and only an administrator can replace it",
    NotEmpty = "NOT_EMPTY" 400 Unnamed "it is not empty",
    Unauthenticated = "UNAUTHENTICATED" 401 Unnamed "valid credentials are required",
    AccessDenied = "ACCESS_DENIED" 403 Unnamed "access is denied",
    SelfChangeDisabled = "SELF_CHANGE_DISABLED" 403 Unnamed "users may not change their own password",
    DomainNotFound = "DOMAIN_NOT_FOUND" 404 Unnamed "there is no such mail domain",
    UserNotFound = "USER_NOT_FOUND" 404 Unnamed "there is no such user",
    InstanceNotFound = "INSTANCE_NOT_FOUND" 404 Unnamed "there is no such instance",
    AccountNotFound = "ACCOUNT_NOT_FOUND" 404 Unnamed "there is no such account",
    AccessTokenNotFound = "ACCESS_TOKEN_NOT_FOUND" 404 Unnamed "there is no such access token",
    TenantNotFound = "TENANT_NOT_FOUND" 404 Unnamed "there is no such tenant",
    ServiceNotFound = "SERVICE_NOT_FOUND" 404 Unnamed "there is no such service or symbol",
    AlreadyExists = "ALREADY_EXISTS" 409 Unnamed "it already exists",
    VersionConflict = "VERSION_CONFLICT" 409 Forbidden "the credential is at another version",
    CursorExpired = "CURSOR_EXPIRED" 400 Forbidden "the cursor has expired",
    TooManyAttempts = "TOO_MANY_ATTEMPTS" 429 Later "there were too many wrong passwords",
    MessageTooLarge = "MESSAGE_TOO_LARGE" 413 Forbidden "the message is too large",
    Overloaded = "OVERLOADED" 503 Later "the service is overloaded",
    StoreUnavailable = "STORE_UNAVAILABLE" 503 Later "the store is unavailable",
    HookUnavailable = "HOOK_UNAVAILABLE" 503 Later "the system that verifies this password gives no answer",
    OutcomeUnknown = "OUTCOME_UNKNOWN" 503 Forbidden "it is not known whether the change was made",
    DeadlineTooShort = "DEADLINE_TOO_SHORT" 504 Forbidden "the deadline is too short",
    DeadlineExceeded = "DEADLINE_EXCEEDED" 504 Forbidden "the deadline was exceeded",
    UnsupportedCompression = "UNSUPPORTED_COMPRESSION" 415 Unnamed
        "the message is compressed in a way that the service does not support",
    UnknownMethod = "UNKNOWN_METHOD" 501 Unnamed "there is no such method",
    Internal = "INTERNAL" 500 Forbidden "an internal error occurred",
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
    fn metrics_have_the_same_names() {
        assert_eq!(Reason::ALL.len(), RefusalReason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(reason.label().as_str(), reason.name());
        }
    }

    #[test]
    fn every_message_is_plain_ascii() {
        for message in Reason::ALL.iter().map(|reason| reason.message()) {
            assert!(message.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'%'), "{message}");
        }
    }
}
