//! The policy of RAM users (RAM and IMS `SetPasswordPolicy`).

use std::time::Duration;

use crate::domain::names::RamUserName;
use crate::domain::tenant_settings::RamPasswordPolicy;
use crate::domain::time::days;

use super::characters::CharacterType;
use super::lifetime::Lifetime;
use super::rule::Policy;
use super::rules::{MinDifferent, MinOfType, NotContain};

/// The vendor has no maximum. Ours is above what people type, and bounds the input.
const MAX_LENGTH: usize = 128;

/// The policy for a tenant's settings.
pub(super) fn policy(settings: &RamPasswordPolicy, user_name: &RamUserName) -> Policy {
    let different = settings.minimum_password_different_character() as usize;
    Policy::of_length(settings.minimum_password_length() as usize..=MAX_LENGTH)
        .and_where(settings.require_lowercase_characters(), require("REQUIRE_LOWER_CASE", CharacterType::LowerCase))
        .and_where(settings.require_uppercase_characters(), require("REQUIRE_UPPER_CASE", CharacterType::UpperCase))
        .and_where(settings.require_numbers(), require("REQUIRE_NUMBERS", CharacterType::Digit))
        .and_where(settings.require_symbols(), require("REQUIRE_SYMBOLS", CharacterType::Symbol))
        .and_where(different > 0, MinDifferent(different))
        .and_where(settings.password_not_contain_user_name(), NotContain::user_name(user_name.as_str()))
        .with_reuse_depth(settings.password_reuse_prevention())
        .with_lifetime(lifetime(settings))
}

fn require(id: &'static str, of: CharacterType) -> MinOfType {
    MinOfType { id, of, minimum: 1 }
}

fn lifetime(settings: &RamPasswordPolicy) -> Lifetime {
    Lifetime {
        minimum_age: Duration::ZERO,
        maximum_age: Some(days(settings.max_password_age())).filter(|age| !age.is_zero()),
        hard_expiry: settings.hard_expiry(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant_settings::RamPasswordPolicyChange;
    use crate::policy::rules::tests::broken;

    fn policy_with(change: &RamPasswordPolicyChange) -> Policy {
        policy(&RamPasswordPolicy::default().with(change).unwrap(), &RamUserName::parse("Alice").unwrap())
    }

    #[test]
    fn by_default_only_the_length_counts() {
        let policy = policy_with(&RamPasswordPolicyChange::default());
        assert_eq!(broken(&policy, "1234567"), ["MIN_LENGTH"]);
        assert_eq!(broken(&policy, &"1".repeat(129)), ["MAX_LENGTH"]);
        for password in [
            "newpassword",
            "12345678",
            "alice123",
            "\u{1f914}\u{1f914}\u{1f914}\u{1f914}\u{1f914}\u{1f914}\u{1f914}\u{1f914}",
        ] {
            assert!(broken(&policy, password).is_empty(), "{password}");
        }
        assert_eq!((policy.rules().len(), policy.reuse_depth(), policy.lifetime()), (2, 0, Lifetime::default()));
    }

    #[test]
    fn a_setting_adds_its_rule() {
        let on = Some(true);
        let nothing = RamPasswordPolicyChange::default();
        let table = [
            (RamPasswordPolicyChange { minimum_password_length: Some(12), ..nothing }, "Aa1-5678901", "MIN_LENGTH"),
            (RamPasswordPolicyChange { require_lowercase_characters: on, ..nothing }, "A1-45678", "REQUIRE_LOWER_CASE"),
            (RamPasswordPolicyChange { require_uppercase_characters: on, ..nothing }, "a1-45678", "REQUIRE_UPPER_CASE"),
            (RamPasswordPolicyChange { require_numbers: on, ..nothing }, "Aa-defgh", "REQUIRE_NUMBERS"),
            (RamPasswordPolicyChange { require_symbols: on, ..nothing }, "Aa345678", "REQUIRE_SYMBOLS"),
            (
                RamPasswordPolicyChange { minimum_password_different_character: Some(5), ..nothing },
                "Aa1-Aa1-",
                "MIN_DIFFERENT_CHARACTERS",
            ),
            (
                RamPasswordPolicyChange { password_not_contain_user_name: on, ..nothing },
                "1-aLICE-1",
                "NOT_CONTAIN_USER_NAME",
            ),
        ];
        for (change, password, id) in table {
            assert_eq!(broken(&policy_with(&change), password), [id]);
        }
    }

    #[test]
    fn reuse_and_expiry_are_as_set() {
        let policy = policy_with(&RamPasswordPolicyChange {
            password_reuse_prevention: Some(5),
            max_password_age: Some(90),
            hard_expiry: Some(true),
            ..Default::default()
        });
        assert_eq!(policy.reuse_depth(), 5);
        let expected = Lifetime { minimum_age: Duration::ZERO, maximum_age: Some(days(90)), hard_expiry: true };
        assert_eq!(policy.lifetime(), expected);
    }
}
