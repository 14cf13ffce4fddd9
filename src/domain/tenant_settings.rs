//! The settings of a tenant: its two password policies, its login policy and its security preference.

use super::field::{FieldProblem, InvalidField};
use super::subject::SubjectKind;

/// Why stored settings can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableSettings {
    /// While processes of two versions run, the later one may store a setting that the earlier one does not know.
    #[error(
        "the tenant has a setting that this version does not know, because a later version set it: upgrade this process"
    )]
    LaterVersion,
    /// They are not settings, or one is out of range.
    #[error("\"settings\" can't be understood")]
    Damaged,
}

/// A setting's type: how an input becomes a value that is in range.
trait Setting: Copy {
    /// The range of the setting, if its type has one.
    type Range: Copy;

    fn checked(self, range: Self::Range) -> Result<Self, FieldProblem>;
}

impl Setting for u32 {
    type Range = (u32, u32);

    fn checked(self, (min, max): Self::Range) -> Result<Self, FieldProblem> {
        if (min..=max).contains(&self) {
            return Ok(self);
        }
        Err(FieldProblem::OutOfRange { min: min.into(), max: max.into(), found: self.into() })
    }
}

impl Setting for bool {
    type Range = ();

    fn checked(self, (): Self::Range) -> Result<Self, FieldProblem> {
        Ok(self)
    }
}

/// Every setting of a tenant, in groups, for the macro `$with`: here it makes types of them, elsewhere the forms in
/// which they are sent and stored. The proto file is the only other place that lists them.
macro_rules! tenant_settings {
    ($with:ident) => {
        $with! {
            /// The RAM password policy of a tenant (RAM `SetPasswordPolicy`; the last two fields from IMS).
            ram: RamPasswordPolicy, RamPasswordPolicyChange {
                /// The fewest characters.
                minimum_password_length: u32 = 8, (8, 32);
                /// Whether a lower-case letter is required.
                require_lowercase_characters: bool = false, ();
                /// Whether an upper-case letter is required.
                require_uppercase_characters: bool = false, ();
                /// Whether a digit is required.
                require_numbers: bool = false, ();
                /// Whether a symbol is required.
                require_symbols: bool = false, ();
                /// Whether only an administrator can replace an expired password.
                hard_expiry: bool = false, ();
                /// After how many days a password expires; 0 = never.
                max_password_age: u32 = 0, (0, 1095);
                /// How many of the last passwords, the current one included, may not be reused; 0 = off.
                password_reuse_prevention: u32 = 0, (0, 24);
                /// After how many wrong passwords in a row a caller waits for an hour; 0 = the service's own limits.
                /// Spelt as the vendor spells it.
                max_login_attemps: u32 = 0, (0, 32);
                /// The fewest different characters.
                minimum_password_different_character: u32 = 0, (0, 8);
                /// Whether the password must not contain the user name.
                password_not_contain_user_name: bool = false, ();
            }
            /// The IAM password policy of a tenant (Huawei IAM `UpdatePasswordPolicyV5`), without its two read-only
            /// fields.
            iam: IamPasswordPolicy, IamPasswordPolicyChange {
                /// The longest run of one character; 0 = no limit.
                maximum_consecutive_identical_chars: u32 = 0, (0, 32);
                /// How many minutes have to pass between two changes by the user.
                minimum_password_age: u32 = 0, (0, 1440);
                /// The fewest characters.
                minimum_password_length: u32 = 8, (8, 32);
                /// How many of the last passwords, the current one included, may not be reused; 0 = off.
                password_reuse_prevention: u32 = 1, (0, 24);
                /// Whether the password must be neither the user name nor its reverse.
                password_not_username_or_invert: bool = true, ();
                /// After how many days a password has to be changed; 0 = never.
                password_validity_period: u32 = 0, (0, 180);
                /// How many of the four character types are required.
                password_char_combination: u32 = 2, (2, 4);
                /// Whether users may change their own password.
                allow_user_to_change_password: bool = true, ();
            }
            /// What wrong passwords of a tenant's IAM users cost (Huawei IAM `UpdateLoginPolicyV5`).
            login: IamLoginPolicy, IamLoginPolicyChange {
                /// After how many wrong passwords in a row a caller waits; 0 = the service's own limits.
                login_failed_times: u32 = 0, (0, 10);
                /// How many minutes the caller waits.
                lockout_duration: u32 = 15, (15, 1440);
                /// After how many minutes without a wrong password they are counted from zero again.
                period_with_login_failures: u32 = 15, (15, 60);
            }
            /// The security preference of a tenant (RAM `SetSecurityPreference`).
            preference: SecurityPreference, SecurityPreferenceChange {
                /// Whether RAM users may change their own password.
                allow_user_to_change_password: bool = true, ();
                /// Whether a change of a user's password ends the user's access tokens, except the one that made it.
                change_ends_access_tokens: bool = false, ();
            }
        }
    };
}
#[cfg(feature = "server")]
pub(crate) use tenant_settings;

/// A group of a tenant's settings.
pub trait SettingGroup: Copy + Send {
    /// A change to it: what is `None` keeps its value.
    type Change: Send + Sync;

    /// The group's settings in force.
    fn of(settings: &TenantSettings) -> Self;

    /// All settings after a change to this group.
    ///
    /// # Errors
    /// All values that are out of range.
    fn changed(settings: &TenantSettings, change: &Self::Change) -> Result<TenantSettings, Vec<InvalidField>>;
}

/// Makes the types of each group: the values in force, always in range, and a change to them.
macro_rules! settings {
    ($(
        $(#[$doc:meta])* $group:ident: $name:ident, $change:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $range:expr;)+
        }
    )+) => {
        /// All settings of a tenant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct TenantSettings { $($(#[$doc])* pub $group: $name),+ }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name { $($field: $type),+ }

            #[doc = concat!("A change to [`", stringify!($name), "`]: what is `None` keeps its value.")]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
            pub struct $change {
                $($(#[$field_doc])* pub $field: Option<$type>,)+
            }

            impl Default for $name {
                fn default() -> Self {
                    Self { $($field: $default),+ }
                }
            }

            impl $name {
                $($(#[$field_doc])* pub const fn $field(&self) -> $type { self.$field })+

                /// The settings after a change.
                ///
                /// # Errors
                /// All values that are out of range.
                pub fn with(&self, change: &$change) -> Result<Self, Vec<InvalidField>> {
                    let mut settings = *self;
                    let mut invalid = Vec::new();
                    $(
                        if let Some(value) = change.$field {
                            match value.checked($range) {
                                Ok(value) => settings.$field = value,
                                Err(problem) => invalid.push(InvalidField { field: stringify!($field), problem }),
                            }
                        }
                    )+
                    if invalid.is_empty() { Ok(settings) } else { Err(invalid) }
                }
            }

            impl SettingGroup for $name {
                type Change = $change;

                fn of(settings: &TenantSettings) -> Self {
                    settings.$group
                }

                fn changed(settings: &TenantSettings, change: &$change) -> Result<TenantSettings, Vec<InvalidField>> {
                    Ok(TenantSettings { $group: settings.$group.with(change)?, ..*settings })
                }
            }
        )+
    };
}

tenant_settings!(settings);

impl IamPasswordPolicy {
    /// The longest password. The vendor's policy shows it, and can't change it.
    pub const MAXIMUM_PASSWORD_LENGTH: u32 = 32;

    /// What it requires of the characters, in words, as the vendor's policy shows it.
    pub fn requirements(&self) -> String {
        let types = self.password_char_combination;
        format!("at least {types} of upper-case letters, lower-case letters, digits and other characters")
    }
}

impl TenantSettings {
    /// How many hashes of earlier passwords the rules against reuse need, for each kind of subject that has a policy
    /// here. The rules count the current password as well.
    pub const fn earlier_hashes(&self) -> [(SubjectKind, u32); 2] {
        [
            (SubjectKind::RamUser, self.ram.password_reuse_prevention().saturating_sub(1)),
            (SubjectKind::IamUser, self.iam.password_reuse_prevention().saturating_sub(1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_out_of_range_is_reported_and_nothing_changes() {
        let change = RamPasswordPolicyChange {
            minimum_password_length: Some(7),
            max_password_age: Some(1096),
            require_symbols: Some(true),
            ..Default::default()
        };
        let invalid = RamPasswordPolicy::default().with(&change).unwrap_err();
        let fields: Vec<&str> = invalid.iter().map(|invalid| invalid.field).collect();
        assert_eq!(fields, ["minimum_password_length", "max_password_age"]);
    }

    #[test]
    fn an_omitted_field_keeps_its_value() {
        let first = IamPasswordPolicyChange { minimum_password_length: Some(12), ..Default::default() };
        let second = IamPasswordPolicyChange { password_reuse_prevention: Some(3), ..Default::default() };
        let settings = IamPasswordPolicy::default().with(&first).unwrap().with(&second).unwrap();
        assert_eq!((settings.minimum_password_length(), settings.password_reuse_prevention()), (12, 3));
    }
}
