//! The policy of instance accounts (Tair `ModifyAccountPassword`).

use super::rule::Policy;
use super::rules::{AllowedCharacters, MinTypes};

/// The page gives length, types and the fourteen symbols. That a character of none of the four types is refused is our
/// interpretation. The page has no reuse rule and no lifetime.
pub(super) fn policy() -> Policy {
    Policy::of_length(8..=32)
        .and(MinTypes { minimum: 3, is_symbol: AllowedCharacters::is_tair_symbol })
        .and(AllowedCharacters::TAIR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::broken;

    #[test]
    fn three_of_four_types_are_enough() {
        for password in ["newPassWd888", "newpasswd=8", "NEWPASSWD(8", "newPassWd()", "!@#$%^&*()_+-=aA"] {
            assert!(broken(&policy(), password).is_empty(), "{password}");
        }
    }

    #[test]
    fn what_the_page_refuses_is_refused() {
        let table = [
            ("nPassW8", vec!["MIN_LENGTH"]),
            ("newPassWd8newPassWd8newPassWd8new", vec!["MAX_LENGTH"]),
            ("newPassWd", vec!["MIN_CHARACTER_TYPES"]),
            ("newPassWd8 ", vec!["ALLOWED_CHARACTERS"]),
            ("newPassWd~", vec!["MIN_CHARACTER_TYPES", "ALLOWED_CHARACTERS"]),
        ];
        for (password, ids) in table {
            assert_eq!(broken(&policy(), password), ids, "{password}");
        }
    }

    #[test]
    fn nothing_is_said_of_reuse_and_lifetime() {
        assert_eq!((policy().reuse_depth(), policy().lifetime()), (0, crate::policy::Lifetime::default()));
    }
}
