//! The operator's requirements for every password, on top of each policy.

use std::collections::HashSet;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use crate::domain::names::InstanceId;
use crate::domain::subject::Subject;

use super::rule::Policy;
use super::rules::{NotContain, NotRefused};

/// The operator's requirements for every password on top of each policy; by default none. It only adds rules, so that
/// it can't accept what the policy refuses.
#[derive(Clone, Default)]
pub struct Baseline {
    /// Passwords that no subject may have (NIST SP 800-63B-4 §3.1.1.2 asks for such a list).
    pub refused: Option<Arc<dyn RefusedPasswords>>,
    /// Refuse a password that contains a part of one of the subject's names.
    pub refuse_subject_names: bool,
}

impl Baseline {
    /// The policy with the rules of the baseline after its own.
    pub(super) fn on_top_of(&self, policy: Policy, subject: &Subject) -> Policy {
        let policy = match &self.refused {
            Some(refused) => policy.and(NotRefused(Arc::clone(refused))),
            None => policy,
        };
        policy.and_where(self.refuse_subject_names, NotContain::subject_names(&name_parts(subject)))
    }
}

/// A list of passwords that no subject may have.
pub trait RefusedPasswords: Send + Sync {
    /// Whether the list holds this password: the whole of it, in normalization form C, in exactly this case.
    fn contains(&self, password: &str) -> bool;
}

/// A list of refused passwords in memory.
#[derive(Default)]
pub struct RefusedList(HashSet<Box<str>>);

impl RefusedList {
    /// Makes the list from a text with one password per line, in any normalization form. A line is taken literally:
    /// blanks count, and there are no comments, since a password may begin with any character. Empty lines are skipped.
    pub fn from_lines(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.is_empty()).map(|line| line.nfc().collect::<String>().into()).collect())
    }

    /// How many passwords are refused.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no password is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RefusedPasswords for RefusedList {
    fn contains(&self, password: &str) -> bool {
        self.0.contains(password)
    }
}

/// A part of fewer characters would refuse passwords by chance.
const SHORTEST_NAME_PART: usize = 4;

/// The parts of a subject's names: the text between the characters that are neither letters nor digits.
fn name_parts(subject: &Subject) -> Vec<&str> {
    let name = &subject.name;
    let user_name = subject.attributes.view().user_name;
    [name.instance().map(InstanceId::as_str), Some(name.as_written()), user_name]
        .into_iter()
        .flatten()
        .flat_map(|name| name.split(|character: char| !character.is_alphanumeric()))
        .filter(|part| part.chars().count() >= SHORTEST_NAME_PART)
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::names::{AccountName, DomainName, IamUserId, IamUserName, RamUserName};
    use crate::domain::subject::{IamUser, RamUser, SubjectAttributes, SubjectId, SubjectKind, SubjectName, Tags};
    use crate::domain::time::Timestamp;

    #[test]
    fn a_list_holds_whole_passwords_in_their_case_and_any_normalization_form() {
        let list = RefusedList::from_lines("Password1\r\n\n cafe\u{301}\n#hash");
        assert_eq!(list.len(), 3);
        for refused in ["Password1", " caf\u{e9}", "#hash"] {
            assert!(list.contains(refused), "{refused}");
        }
        for allowed in ["password1", "Password12", "Password", "caf\u{e9}", ""] {
            assert!(!list.contains(allowed), "{allowed}");
        }
    }

    #[test]
    fn the_parts_of_a_name_are_its_components_of_four_characters_or_more() {
        let iam = SubjectAttributes::IamUser(IamUser {
            user_name: IamUserName::parse("Jane Dough").unwrap(),
            tags: Tags::new(),
        });
        let table = [
            (SubjectName::MailDomain(DomainName::parse("mail.Example.com").unwrap()), vec!["mail", "Example"]),
            (SubjectName::RamUser(RamUserName::parse("al-alice_b").unwrap()), vec!["alice"]),
            (SubjectName::IamUser(IamUserId::parse("07609e-f1").unwrap()), vec!["07609e", "Jane", "Dough"]),
            (
                SubjectName::account(InstanceId::parse("r-bp1zx").unwrap(), AccountName::parse("app_main").unwrap()),
                vec!["bp1zx", "main"],
            ),
        ];
        for (name, parts) in table {
            let attributes = match name.kind() {
                SubjectKind::IamUser => iam.clone(),
                _ => SubjectAttributes::RamUser(RamUser),
            };
            let id = SubjectId(Uuid::nil());
            let subject = Subject { id, name, attributes, created_at: Timestamp::from_micros(0) };
            assert_eq!(name_parts(&subject), parts);
        }
    }
}
