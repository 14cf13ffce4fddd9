use unicode_normalization::UnicodeNormalization;

use crate::policy::finding::Finding;
use crate::policy::ignoring_case;
use crate::policy::rule::Rule;

/// No name, or part of one, anywhere in the password, regardless of case.
pub(crate) struct NotContain {
    id: &'static str,
    words: &'static str,
    names: Vec<String>,
}

impl NotContain {
    /// Not the whole user name (IMS `PasswordNotContainUserName`).
    pub(crate) fn user_name(user_name: &str) -> Self {
        Self::of("NOT_CONTAIN_USER_NAME", "it must not contain the user name", &[user_name])
    }

    /// None of these parts of the subject's names.
    pub(crate) fn subject_names(parts: &[&str]) -> Self {
        Self::of("NOT_CONTAIN_SUBJECT_NAME", "it must not contain a part of the subject's names", parts)
    }

    fn of(id: &'static str, words: &'static str, names: &[&str]) -> Self {
        // Normalized like the password.
        Self { id, words, names: names.iter().map(|name| name.nfc().collect()).collect() }
    }
}

impl Rule for NotContain {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let is_contained = |name: &String| ignoring_case::contains(password, name);
        self.names.iter().any(is_contained).then_some(Finding::Forbidden(self.words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn the_user_name_is_found_anywhere_in_any_case() {
        let message = "it must not contain the user name";
        assert_tells(
            &NotContain::user_name("Bob.1"),
            &[("bob1", ""), ("bob.2", ""), ("1.bob", ""), ("bob.1", message), ("xxBOB.1xx", message)],
        );
    }

    #[test]
    fn any_part_of_the_names_is_found() {
        let message = "it must not contain a part of the subject's names";
        assert_tells(
            &NotContain::subject_names(&["mail", "example"]),
            &[("exampl", ""), ("myMAIL", message), ("1Example1", message)],
        );
        assert_tells(&NotContain::subject_names(&[]), &[("anything", "")]);
    }

    #[test]
    fn a_decomposed_name_is_found_in_a_composed_password() {
        assert_tells(
            &NotContain::subject_names(&["caf\u{65}\u{301}"]),
            &[("my-CAF\u{c9}", "it must not contain a part of the subject's names")],
        );
    }
}
