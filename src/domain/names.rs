//! Names of tenants, subjects and callers, each parsed once at the edge.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::field::{FieldProblem, LengthUnit};

/// Refuses a text that is empty, longer than `max` characters, or holds a character that `allows` refuses.
fn check(text: &str, max: usize, allowed: &'static str, allows: impl Fn(char) -> bool) -> Result<(), FieldProblem> {
    if text.is_empty() {
        return Err(FieldProblem::Missing);
    }
    let found = text.chars().count();
    if found > max {
        return Err(FieldProblem::TooLong { max, found, unit: LengthUnit::Characters });
    }
    if !text.chars().all(allows) {
        return Err(FieldProblem::Character { allowed });
    }
    Ok(())
}

/// Declares a name type: a string that was checked.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:literal, $allows:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Parses the name.
            ///
            /// # Errors
            /// What is wrong with the text.
            pub fn parse(text: &str) -> Result<Self, FieldProblem> {
                check(text, $max, $allowed, $allows)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

name!(
    /// A tenant's name: 1–64 of `A-Z a-z 0-9 . _ -`.
    TenantName, 64, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// An IAM user's id: 1–64 of `A-Z a-z 0-9 . _ -`.
    IamUserId, 64, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// An instance's id: 1–64 of `A-Z a-z 0-9 . _ -`.
    InstanceId, 64, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// The free name of a service or an operator: 1–64 of `A-Z a-z 0-9 . _ -`.
    FreeName, 64, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// The key of a request that makes a retry idempotent: 1–64 of visible ASCII.
    ClientToken, 64, "visible ASCII characters", |character: char| character.is_ascii_graphic()
);
name!(
    /// Where a relying system's own client comes from, opaque to us: 1–256 of visible ASCII.
    Origin, 256, "visible ASCII characters", |character: char| character.is_ascii_graphic()
);
name!(
    /// The message of a refusal, which only administrators can decode: 1–4096 of `A-Z a-z 0-9 _ -`.
    AuthorizationMessage, 4096, "A-Z a-z 0-9 _ -", |character: char| is_plain(character) && character != '.'
);
name!(
    /// The id of a key of the pepper: 1–32 of `A-Z a-z 0-9 . _ -`.
    PepperKeyId, 32, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// The name of a key of another system: 1–32 of `A-Z a-z 0-9 . _ -`.
    ImportKeyId, 32, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// The name of a user of a node: 1–128 of visible ASCII.
    NodeUser, 128, "visible ASCII characters", |character: char| character.is_ascii_graphic()
);
name!(
    /// The name that Sentinels have for what they watch, their master name: 1–128 of `A-Z a-z 0-9 . _ -`, as Redis recommends.
    MasterName, 128, "A-Z a-z 0-9 . _ -", is_plain
);
name!(
    /// A region: 1–64 of `A-Z a-z 0-9 -`.
    Region, 64, "A-Z a-z 0-9 -", |character: char| character.is_ascii_alphanumeric() || character == '-'
);

/// A RAM user's name: 1–64 of `A-Z a-z 0-9 . _ -` (RAM `UserName`), not starting with a hyphen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RamUserName(String);

impl RamUserName {
    /// Parses the name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let name = Self::parse_stored(text)?;
        if text.starts_with('-') {
            return Err(FieldProblem::Malformed { expected: "must not start with a hyphen" });
        }
        Ok(name)
    }

    /// Parses a name that is already stored. Earlier versions accepted a hyphen at the start.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse_stored(text: &str) -> Result<Self, FieldProblem> {
        check(text, 64, "A-Z a-z 0-9 . _ -", is_plain)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RamUserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A mail domain's name: 1–50 of `A-Z a-z 0-9 . -` (Direct Mail `DomainName`), compared without regard to case. Its
/// labels are host labels (RFC 1123 §2.1): none is empty, and none starts or ends with a hyphen. One dot may end the
/// name.
#[derive(Debug, Clone)]
pub struct DomainName {
    as_written: String,
    lower_case: String,
}

impl DomainName {
    /// Parses the name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let name = Self::parse_stored(text)?;
        let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
        if !labels.all(is_host_label) {
            return Err(FieldProblem::Malformed {
                expected: "needs a letter or digit at the start and the end of each part between dots",
            });
        }
        Ok(name)
    }

    /// Parses a name that is already stored. Earlier versions did not check its labels.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse_stored(text: &str) -> Result<Self, FieldProblem> {
        check(text, 50, "A-Z a-z 0-9 . -", |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))?;
        Ok(Self { as_written: text.to_owned(), lower_case: text.to_ascii_lowercase() })
    }

    /// The name as it was written.
    pub fn as_written(&self) -> &str {
        &self.as_written
    }

    /// The form that is compared and stored as the key.
    pub fn lower_case(&self) -> &str {
        &self.lower_case
    }
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

impl PartialEq for DomainName {
    fn eq(&self, other: &Self) -> bool {
        self.lower_case == other.lower_case
    }
}

impl Eq for DomainName {}

impl Hash for DomainName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower_case.hash(state);
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.as_written)
    }
}

/// An IAM user's name: 1–64 letters, digits, spaces, `_`, `-` and `.`, no digit first (Huawei IAM user name).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamUserName(String);

impl IamUserName {
    const ALLOWED: &'static str = "letters, digits, space, _ - and .";

    /// Parses the name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        check(text, 64, Self::ALLOWED, |c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.'))?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(FieldProblem::Malformed { expected: "must not start with a digit" });
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses the name that is given for the user with that id. None is given by an empty text, and by the id, which is how
    /// such a user is shown: it may start with a digit, which other names must not.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn given(text: &str, id: &str) -> Result<Option<Self>, FieldProblem> {
        if text.is_empty() || text == id { Ok(None) } else { Self::parse(text).map(Some) }
    }

    /// The name of a user for which none was given: its id.
    pub fn of_id(id: &IamUserId) -> Self {
        Self(id.as_str().to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An instance account's name: a lower-case letter, then lower-case letters, digits and `_`; at most 100 (Tair
/// `AccountName`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// Parses the name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        check(text, 100, "a-z 0-9 _", |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')?;
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(FieldProblem::Malformed { expected: "must start with a lower-case letter" });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_domain_is_one_to_fifty_letters_digits_dots_and_hyphens() {
        for good in ["example.com", "A-1.b", &"a".repeat(50), "example.com."] {
            assert!(DomainName::parse(good).is_ok(), "{good}");
        }
        assert_eq!(DomainName::parse("").unwrap_err(), FieldProblem::Missing);
        assert_eq!(DomainName::parse(&"a".repeat(51)).unwrap_err().reason(), "TOO_LONG");
        for bad in ["exa mple.com", "exa_mple.com", "ex\u{e4}mple.com", "a\0b"] {
            assert_eq!(DomainName::parse(bad).unwrap_err().reason(), "CHARACTER_NOT_ALLOWED", "{bad}");
        }
    }

    #[test]
    fn the_labels_of_a_mail_domain_are_host_labels() {
        for bad in ["a..b.com", ".example.com", ".", "..", "example.com..", "-a.com", "a-.com", "a.-", "-"] {
            assert_eq!(DomainName::parse(bad).unwrap_err().reason(), "MALFORMED", "{bad}");
            assert!(DomainName::parse_stored(bad).is_ok(), "{bad}: an earlier version stored it");
        }
        for good in ["xn--bcher-kva.example", "a--b.com", "1.2", "a"] {
            assert!(DomainName::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_ram_user_name_does_not_start_with_a_hyphen() {
        for good in ["alice", "a-b", "1", "_a", ".a", "a-"] {
            assert!(RamUserName::parse(good).is_ok(), "{good}");
        }
        for bad in ["-alice", "-"] {
            assert_eq!(RamUserName::parse(bad).unwrap_err().reason(), "MALFORMED", "{bad}");
            assert!(RamUserName::parse_stored(bad).is_ok(), "{bad}: an earlier version stored it");
        }
    }

    #[test]
    fn mail_domains_are_compared_without_regard_to_case() {
        assert_eq!(DomainName::parse("Example.COM").unwrap(), DomainName::parse("example.com").unwrap());
    }

    #[test]
    fn an_account_starts_with_a_lower_case_letter() {
        assert!(AccountName::parse("a_1").is_ok());
        assert!(AccountName::parse(&"a".repeat(100)).is_ok());
        for bad in ["", "1a", "_a", "A", "a-b", &"a".repeat(101)] {
            assert!(AccountName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_iam_user_name_does_not_start_with_a_digit() {
        assert!(IamUserName::parse("Jane Doe").is_ok());
        assert!(IamUserName::parse("1jane").is_err());
        assert_eq!(IamUserName::given("Jane", "1").unwrap().unwrap().as_str(), "Jane");
        assert!(["", "1"].iter().all(|none| IamUserName::given(none, "1").unwrap().is_none()));
        assert!(IamUserName::given("1", "2").is_err());
    }

    #[test]
    fn a_master_name_has_no_character_that_a_configuration_file_would_split() {
        for good in ["mymaster", "a", "orders.eu-1_b"] {
            assert_eq!(MasterName::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(MasterName::parse("").unwrap_err().reason(), "REQUIRED");
        assert_eq!(MasterName::parse(&"a".repeat(129)).unwrap_err().reason(), "TOO_LONG");
        for bad in ["my master", "a\r\nb", "é"] {
            assert!(MasterName::parse(bad).is_err(), "{bad}");
        }
    }
}
