//! The subjects that user names mean.

use crate::domain::subject::SubjectKind;
use crate::grpc::generated::credential::v1 as wire;
use wire::subject_name::Subject;

/// How the user names of a relying system become names of subjects.
#[derive(Debug, Clone)]
pub(super) struct Names {
    kind: SubjectKind,
    domain: Option<String>,
}

impl Names {
    pub(super) fn new(kind: SubjectKind, domain: Option<String>) -> Result<Self, String> {
        match domain {
            Some(_) if !kind.is_user() => Err(format!("--domain is for users; --subject-kind is {}", kind.as_str())),
            domain => Ok(Self { kind, domain }),
        }
    }

    /// The subject, if a user name is one of those that the relying system may ask for.
    pub(super) fn subject(&self, user: &str) -> Option<wire::SubjectName> {
        let user_of_domain = || match &self.domain {
            Some(domain) => {
                let (name, given) = user.rsplit_once('@')?;
                given.eq_ignore_ascii_case(domain).then(|| name.to_owned())
            }
            None => Some(user.to_owned()),
        };
        let subject = match self.kind {
            SubjectKind::MailDomain => Subject::MailDomain(user.rsplit_once('@')?.1.to_owned()),
            SubjectKind::RamUser => Subject::RamUser(user_of_domain()?),
            SubjectKind::IamUser => Subject::IamUser(user_of_domain()?),
            SubjectKind::InstanceAccount => {
                let (account, instance) = user.rsplit_once('@')?;
                let (instance_id, account_name) = (instance.to_owned(), account.to_owned());
                Subject::InstanceAccount(wire::InstanceAccountName { instance_id, account_name })
            }
        };
        Some(wire::SubjectName { subject: Some(subject) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_mean_subjects_of_one_kind_and_domain() {
        let account = |instance: &str, account: &str| {
            Subject::InstanceAccount(wire::InstanceAccountName {
                instance_id: instance.to_owned(),
                account_name: account.to_owned(),
            })
        };
        for (kind, domain, user, subject) in [
            (SubjectKind::MailDomain, None, "postmaster@example.com", Some(Subject::MailDomain("example.com".into()))),
            (SubjectKind::MailDomain, None, "example.com", None),
            (SubjectKind::RamUser, None, "alice", Some(Subject::RamUser("alice".into()))),
            (SubjectKind::RamUser, Some("example.com"), "alice@Example.COM", Some(Subject::RamUser("alice".into()))),
            (SubjectKind::RamUser, Some("example.com"), "alice@example.org", None),
            (SubjectKind::RamUser, Some("example.com"), "alice", None),
            (SubjectKind::IamUser, Some("example.com"), "a@b@example.com", Some(Subject::IamUser("a@b".into()))),
            (SubjectKind::InstanceAccount, None, "app@r-1", Some(account("r-1", "app"))),
            (SubjectKind::InstanceAccount, None, "app", None),
        ] {
            let names = Names::new(kind, domain.map(str::to_owned)).unwrap();
            assert_eq!(names.subject(user).and_then(|name| name.subject), subject, "{kind:?} {user}");
        }
        assert!(Names::new(SubjectKind::MailDomain, Some("example.com".to_owned())).is_err());
    }
}
