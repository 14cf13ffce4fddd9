//! The policy of mail domains (Direct Mail `ModifyPWByDomain`).

use super::characters::CharacterType;
use super::rule::Policy;
use super::rules::{AllowedCharacters, MinOfType, NotAllSame};

/// The page gives length, counts and repetition. That "letters" are one set regardless of case, and that symbols are
/// the printable ASCII ones, is our interpretation.
pub(super) fn policy() -> Policy {
    Policy::of_length(10..=20)
        .and(AllowedCharacters::PRINTABLE_ASCII)
        .and(MinOfType { id: "MIN_DIGITS", of: CharacterType::Digit, minimum: 2 })
        .and(MinOfType { id: "MIN_UPPER_CASE", of: CharacterType::UpperCase, minimum: 2 })
        .and(MinOfType { id: "MIN_LOWER_CASE", of: CharacterType::LowerCase, minimum: 2 })
        .and(NotAllSame::DIGITS)
        .and(NotAllSame::LETTERS)
        .with_reuse_depth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::broken;

    #[test]
    fn the_page_sample_is_accepted() {
        assert!(broken(&policy(), "DM1mail1234").is_empty());
    }

    #[test]
    fn what_the_page_refuses_is_refused() {
        let table = [
            ("DM1mail12", vec!["MIN_LENGTH"]),
            ("DM1mail12345678901234", vec!["MAX_LENGTH"]),
            ("DM1mail\u{e9}234", vec!["PRINTABLE_ASCII"]),
            ("DM1mailabcd", vec!["MIN_DIGITS"]),
            ("Dm1mail1234", vec!["MIN_UPPER_CASE"]),
            ("DM1MAIL123a", vec!["MIN_LOWER_CASE"]),
            ("DM1mail1111", vec!["DIGITS_NOT_ALL_SAME"]),
            ("AAaa1234567", vec!["LETTERS_NOT_ALL_SAME"]),
            ("          ", vec!["MIN_DIGITS", "MIN_UPPER_CASE", "MIN_LOWER_CASE"]),
        ];
        for (password, ids) in table {
            assert_eq!(broken(&policy(), password), ids, "{password}");
        }
    }

    #[test]
    fn the_last_password_may_not_come_again() {
        assert_eq!(policy().reuse_depth(), 1);
    }
}
