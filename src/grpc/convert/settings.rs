//! The settings of a tenant as messages.

use crate::domain::settings::{
    IamPasswordPolicy, IamPasswordPolicyChange, RamPasswordPolicy, RamPasswordPolicyChange, SecurityPreference,
};
use crate::grpc::generated::credential::admin::v1 as wire;

/// The longest password that the IAM page allows.
const MAXIMUM_IAM_PASSWORD_LENGTH: u32 = 32;

impl From<RamPasswordPolicy> for wire::PasswordPolicy {
    fn from(policy: RamPasswordPolicy) -> Self {
        Self {
            minimum_password_length: policy.minimum_password_length(),
            require_lowercase_characters: policy.require_lowercase_characters(),
            require_uppercase_characters: policy.require_uppercase_characters(),
            require_numbers: policy.require_numbers(),
            require_symbols: policy.require_symbols(),
            hard_expiry: policy.hard_expiry(),
            max_password_age: policy.max_password_age(),
            password_reuse_prevention: policy.password_reuse_prevention(),
            max_login_attemps: policy.max_login_attemps(),
            minimum_password_different_character: policy.minimum_password_different_character(),
            password_not_contain_user_name: policy.password_not_contain_user_name(),
        }
    }
}

impl From<&wire::SetPasswordPolicyRequest> for RamPasswordPolicyChange {
    fn from(request: &wire::SetPasswordPolicyRequest) -> Self {
        Self {
            minimum_password_length: request.minimum_password_length,
            require_lowercase_characters: request.require_lowercase_characters,
            require_uppercase_characters: request.require_uppercase_characters,
            require_numbers: request.require_numbers,
            require_symbols: request.require_symbols,
            hard_expiry: request.hard_expiry,
            max_password_age: request.max_password_age,
            password_reuse_prevention: request.password_reuse_prevention,
            max_login_attemps: request.max_login_attemps,
            minimum_password_different_character: request.minimum_password_different_character,
            password_not_contain_user_name: request.password_not_contain_user_name,
        }
    }
}

impl From<IamPasswordPolicy> for wire::PasswordPolicyV5 {
    fn from(policy: IamPasswordPolicy) -> Self {
        Self {
            maximum_consecutive_identical_chars: policy.maximum_consecutive_identical_chars(),
            minimum_password_age: policy.minimum_password_age(),
            minimum_password_length: policy.minimum_password_length(),
            password_reuse_prevention: policy.password_reuse_prevention(),
            password_not_username_or_invert: policy.password_not_username_or_invert(),
            password_validity_period: policy.password_validity_period(),
            password_char_combination: policy.password_char_combination(),
            allow_user_to_change_password: policy.allow_user_to_change_password(),
            maximum_password_length: MAXIMUM_IAM_PASSWORD_LENGTH,
            password_requirements: format!(
                "at least {} of upper-case letters, lower-case letters, digits and other characters",
                policy.password_char_combination(),
            ),
        }
    }
}

impl From<&wire::UpdatePasswordPolicyV5Request> for IamPasswordPolicyChange {
    fn from(request: &wire::UpdatePasswordPolicyV5Request) -> Self {
        Self {
            maximum_consecutive_identical_chars: request.maximum_consecutive_identical_chars,
            minimum_password_age: request.minimum_password_age,
            minimum_password_length: request.minimum_password_length,
            password_reuse_prevention: request.password_reuse_prevention,
            password_not_username_or_invert: request.password_not_username_or_invert,
            password_validity_period: request.password_validity_period,
            password_char_combination: request.password_char_combination,
            allow_user_to_change_password: request.allow_user_to_change_password,
        }
    }
}

impl From<SecurityPreference> for wire::SecurityPreference {
    fn from(preference: SecurityPreference) -> Self {
        Self { allow_user_to_change_password: preference.allow_user_to_change_password() }
    }
}
