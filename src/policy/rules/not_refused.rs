use std::sync::Arc;

use crate::policy::baseline::RefusedPasswords;
use crate::policy::finding::Finding;
use crate::policy::rule::Rule;

/// Not on the list of refused passwords (NIST SP 800-63B-4 §3.1.1.2: the whole password is compared, not its parts).
pub(crate) struct NotRefused(pub(crate) Arc<dyn RefusedPasswords>);

impl Rule for NotRefused {
    fn id(&self) -> &'static str {
        "PASSWORD_BLOCKED"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        self.0.contains(password).then_some(Finding::Forbidden("it is on the list of refused passwords"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RefusedList;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn the_whole_password_is_looked_up() {
        let refused = Arc::new(RefusedList::from_lines("Password1\nletmein"));
        assert_tells(
            &NotRefused(refused),
            &[
                ("Password1", "it is on the list of refused passwords"),
                ("letmein", "it is on the list of refused passwords"),
                ("letmein1", ""),
                ("password1", ""),
            ],
        );
    }
}
