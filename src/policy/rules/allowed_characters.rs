use crate::policy::finding::Finding;
use crate::policy::rule::Rule;

/// Only the allowed characters.
pub(crate) struct AllowedCharacters {
    id: &'static str,
    words: &'static str,
    allows: fn(char) -> bool,
}

impl AllowedCharacters {
    pub(crate) const PRINTABLE_ASCII: Self = Self {
        id: "PRINTABLE_ASCII",
        words: "printable ASCII characters",
        allows: |character| matches!(character, ' '..='~'),
    };

    pub(crate) const TAIR: Self = Self {
        id: "ALLOWED_CHARACTERS",
        words: "upper-case and lower-case letters, digits and ! @ # $ % ^ & * ( ) _ + - =",
        allows: |character| character.is_ascii_alphanumeric() || Self::is_tair_symbol(character),
    };

    /// Whether the Tair page lists the character as special.
    pub(crate) fn is_tair_symbol(character: char) -> bool {
        "!@#$%^&*()_+-=".contains(character)
    }
}

impl Rule for AllowedCharacters {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&self, password: &str) -> Option<Finding> {
        let found = password.chars().filter(|character| !(self.allows)(*character)).count();
        (found > 0).then_some(Finding::OtherCharacters { allowed: self.words, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::tests::assert_tells;

    #[test]
    fn printable_ascii_is_space_to_tilde() {
        assert_tells(
            &AllowedCharacters::PRINTABLE_ASCII,
            &[
                (" aZ09~", ""),
                ("caf\u{e9}", "only printable ASCII characters are allowed, found 1 other"),
                ("\u{1f}\u{7f}a", "only printable ASCII characters are allowed, found 2 others"),
            ],
        );
    }

    #[test]
    fn tair_has_fourteen_symbols() {
        let message =
            "only upper-case and lower-case letters, digits and ! @ # $ % ^ & * ( ) _ + - = are allowed, found";
        assert_tells(
            &AllowedCharacters::TAIR,
            &[
                ("azAZ09!@#$%^&*()_+-=", ""),
                ("a b", &format!("{message} 1 other")),
                ("~`{}[]|\\:;\"'<>,.?/", &format!("{message} 18 others")),
            ],
        );
        assert_eq!((' '..='~').filter(|character| AllowedCharacters::is_tair_symbol(*character)).count(), 14);
    }
}
