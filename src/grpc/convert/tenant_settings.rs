//! The settings of a tenant as messages.

use crate::domain::tenant_settings::{
    IamLoginPolicy, IamLoginPolicyChange, IamPasswordPolicy, IamPasswordPolicyChange, RamPasswordPolicy,
    RamPasswordPolicyChange, SecurityPreference, SecurityPreferenceChange, tenant_settings,
};
use crate::grpc::generated::credential::admin::v1 as wire;

/// The message of each group of settings, and of a change to it.
mod message {
    use super::wire;

    pub(super) use wire::{
        LoginPolicyV5 as IamLoginPolicy, PasswordPolicy as RamPasswordPolicy, PasswordPolicyV5 as IamPasswordPolicy,
        SecurityPreference, SetPasswordPolicyRequest as RamPasswordPolicyChange,
        SetSecurityPreferenceRequest as SecurityPreferenceChange, UpdateLoginPolicyV5Request as IamLoginPolicyChange,
        UpdatePasswordPolicyV5Request as IamPasswordPolicyChange,
    };
}

macro_rules! messages {
    ($(
        $(#[$doc:meta])* $group:ident: $name:ident, $change:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $range:expr;)+
        }
    )+) => {
        $(
            impl From<$name> for message::$name {
                fn from(settings: $name) -> Self {
                    let mut message = Self::default();
                    $(message.$field = settings.$field();)+
                    message
                }
            }

            impl From<&message::$change> for $change {
                fn from(message: &message::$change) -> Self {
                    Self { $($field: message.$field),+ }
                }
            }
        )+
    };
}

tenant_settings!(messages);

/// The IAM password policy with its two read-only fields.
pub(in crate::grpc) fn iam_password_policy(policy: IamPasswordPolicy) -> wire::PasswordPolicyV5 {
    wire::PasswordPolicyV5 {
        maximum_password_length: IamPasswordPolicy::MAXIMUM_PASSWORD_LENGTH,
        password_requirements: policy.requirements(),
        ..policy.into()
    }
}
