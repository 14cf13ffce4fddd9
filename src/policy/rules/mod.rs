//! The rules: one small file for each, with its table of tests.

mod allowed_characters;
mod max_consecutive;
mod max_length;
mod min_different;
mod min_length;
mod min_of_type;
mod min_types;
mod not_all_same;
mod not_contain;
mod not_refused;
mod not_user_name_or_reverse;

pub(crate) use allowed_characters::AllowedCharacters;
pub(crate) use max_consecutive::MaxConsecutive;
pub(crate) use max_length::MaxLength;
pub(crate) use min_different::MinDifferent;
pub(crate) use min_length::MinLength;
pub(crate) use min_of_type::MinOfType;
pub(crate) use min_types::MinTypes;
pub(crate) use not_all_same::NotAllSame;
pub(crate) use not_contain::NotContain;
pub(crate) use not_refused::NotRefused;
pub(crate) use not_user_name_or_reverse::NotUserNameOrReverse;

use super::finding::Noun;

const CHARACTER: Noun = Noun { one: "character", many: "characters" };

#[cfg(test)]
pub(crate) mod tests {
    use crate::domain::password::NewPassword;
    use crate::policy::{Policy, Rule};

    /// Asserts what a rule reports on each password; an empty text means nothing.
    pub(crate) fn assert_tells(rule: &dyn Rule, table: &[(&str, &str)]) {
        for (password, expected) in table {
            let message = rule.check(password).map(|finding| finding.to_string()).unwrap_or_default();
            assert_eq!(message, *expected, "{} of {password:?}", rule.id());
        }
    }

    /// The ids of the rules of a policy that a password breaks.
    pub(crate) fn broken(policy: &Policy, password: &str) -> Vec<&'static str> {
        let password = NewPassword::parse(password.to_owned()).unwrap();
        policy.violations(&password).iter().map(|violation| violation.rule).collect()
    }
}
