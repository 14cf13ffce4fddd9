use unicode_normalization::UnicodeNormalization;

use crate::policy::finding::Finding;
use crate::policy::ignoring_case;
use crate::policy::rule::Rule;

/// Neither the user name nor its reverse, regardless of case (Huawei IAM `password_not_username_or_invert`).
pub(crate) struct NotUserNameOrReverse {
    user_name: String,
    reverse: String,
}

impl NotUserNameOrReverse {
    pub(crate) fn of(user_name: &str) -> Self {
        // Normalized like the password.
        let user_name: String = user_name.nfc().collect();
        let reverse = user_name.chars().rev().nfc().collect();
        Self { user_name, reverse }
    }
}

impl Rule for NotUserNameOrReverse {
    fn id(&self) -> &'static str {
        "NOT_USER_NAME_OR_REVERSE"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let is_name = [&self.user_name, &self.reverse].iter().any(|name| ignoring_case::are_equal(password, name));
        is_name.then_some(Finding::Forbidden("it must be neither the user name nor its reverse"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn only_the_whole_name_is_compared() {
        let message = "it must be neither the user name nor its reverse";
        assert_tells(
            &NotUserNameOrReverse::of("Jane-1"),
            &[
                ("Jane-1", message),
                ("JANE-1", message),
                ("1-enaJ", message),
                ("1-ENAJ", message),
                ("Jane-12", ""),
                ("Jane", ""),
                ("", ""),
            ],
        );
    }
}
