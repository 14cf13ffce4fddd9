//! The policy of IAM users (Huawei IAM `UpdatePasswordPolicyV5`).

use crate::domain::names::IamUserName;
use crate::domain::tenant_settings::IamPasswordPolicy;
use crate::domain::time::{days, minutes};

use super::lifetime::Lifetime;
use super::rule::Policy;
use super::rules::{MaxConsecutive, MinTypes, NotUserNameOrReverse};

/// The vendor's read-only `maximum_password_length`.
const MAX_LENGTH: usize = 32;

/// The policy for a tenant's settings. The vendor leaves the set of special characters open; here it is every character
/// that is neither an ASCII letter nor a digit.
pub(super) fn policy(settings: &IamPasswordPolicy, user_name: &IamUserName) -> Policy {
    let consecutive = settings.maximum_consecutive_identical_chars() as usize;
    Policy::of_length(settings.minimum_password_length() as usize..=MAX_LENGTH)
        .and(MinTypes { minimum: settings.password_char_combination() as usize, is_symbol: |_| true })
        .and_where(consecutive > 0, MaxConsecutive(consecutive))
        .and_where(settings.password_not_username_or_invert(), NotUserNameOrReverse::of(user_name.as_str()))
        .with_reuse_depth(settings.password_reuse_prevention())
        .with_lifetime(lifetime(settings))
}

fn lifetime(settings: &IamPasswordPolicy) -> Lifetime {
    Lifetime {
        minimum_age: minutes(settings.minimum_password_age()),
        maximum_age: Some(days(settings.password_validity_period())).filter(|age| !age.is_zero()),
        // After expiry the user sets another password itself.
        hard_expiry: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant_settings::IamPasswordPolicyChange;
    use crate::policy::rules::tests::broken;

    fn policy_with(change: &IamPasswordPolicyChange) -> Policy {
        policy(&IamPasswordPolicy::default().with(change).unwrap(), &IamUserName::parse("Jane Doe 1").unwrap())
    }

    #[test]
    fn the_page_sample_is_accepted_by_default() {
        let policy = policy_with(&IamPasswordPolicyChange::default());
        for password in ["Password1", "Password2"] {
            assert!(broken(&policy, password).is_empty(), "{password}");
        }
        assert_eq!((policy.reuse_depth(), policy.lifetime()), (1, Lifetime::default()));
    }

    #[test]
    fn what_the_defaults_refuse_is_refused() {
        let table = [
            ("Passwo1", vec!["MIN_LENGTH"]),
            ("Password1Password1Password1Passwo", vec!["MAX_LENGTH"]),
            ("password", vec!["MIN_CHARACTER_TYPES"]),
            ("jane doe 1", vec!["NOT_USER_NAME_OR_REVERSE"]),
            ("1 EOD enaj", vec!["NOT_USER_NAME_OR_REVERSE"]),
        ];
        let policy = policy_with(&IamPasswordPolicyChange::default());
        for (password, ids) in table {
            assert_eq!(broken(&policy, password), ids, "{password}");
        }
    }

    #[test]
    fn a_setting_changes_its_rule() {
        let nothing = IamPasswordPolicyChange::default();
        let table = [
            (IamPasswordPolicyChange { minimum_password_length: Some(10), ..nothing }, "Password1", vec!["MIN_LENGTH"]),
            (
                IamPasswordPolicyChange { password_char_combination: Some(4), ..nothing },
                "Password1",
                vec!["MIN_CHARACTER_TYPES"],
            ),
            (
                IamPasswordPolicyChange { maximum_consecutive_identical_chars: Some(1), ..nothing },
                "Password1",
                vec!["MAX_CONSECUTIVE_IDENTICAL"],
            ),
            (IamPasswordPolicyChange { password_not_username_or_invert: Some(false), ..nothing }, "Jane Doe 1", vec![]),
        ];
        for (change, password, ids) in table {
            assert_eq!(broken(&policy_with(&change), password), ids, "{password}");
        }
    }

    #[test]
    fn reuse_age_and_validity_are_as_set() {
        let policy = policy_with(&IamPasswordPolicyChange {
            password_reuse_prevention: Some(3),
            minimum_password_age: Some(30),
            password_validity_period: Some(180),
            ..Default::default()
        });
        assert_eq!(policy.reuse_depth(), 3);
        let expected = Lifetime { minimum_age: minutes(30), maximum_age: Some(days(180)), hard_expiry: false };
        assert_eq!(policy.lifetime(), expected);
    }
}
