//! Names of subjects.

use crate::domain::field::FieldProblem;
use crate::domain::names::{AccountName, DomainName, IamUserId, InstanceId, RamUserName};
use crate::domain::subject::{SubjectKind, SubjectName};
use crate::edge::Fields;
use crate::grpc::generated::credential::v1 as wire;
use wire::subject_name::Subject;

impl From<SubjectName> for wire::SubjectName {
    fn from(name: SubjectName) -> Self {
        let subject = match name {
            SubjectName::MailDomain(name) => Subject::MailDomain(name.as_written().to_owned()),
            SubjectName::RamUser(name) => Subject::RamUser(name.to_string()),
            SubjectName::IamUser(id) => Subject::IamUser(id.to_string()),
            SubjectName::InstanceAccount(name) => Subject::InstanceAccount(wire::InstanceAccountName {
                instance_id: name.instance.to_string(),
                account_name: name.account.to_string(),
            }),
        };
        Self { subject: Some(subject) }
    }
}

impl Subject {
    /// The kind of subject that is named.
    pub(in crate::grpc) const fn kind(&self) -> SubjectKind {
        match self {
            Self::MailDomain(_) => SubjectKind::MailDomain,
            Self::RamUser(_) => SubjectKind::RamUser,
            Self::IamUser(_) => SubjectKind::IamUser,
            Self::InstanceAccount(_) => SubjectKind::InstanceAccount,
        }
    }
}

impl Fields {
    /// The subject that the field `subject` names.
    pub(in crate::grpc) fn subject(&mut self, subject: Option<wire::SubjectName>) -> Option<SubjectName> {
        match subject.and_then(|name| name.subject) {
            Some(Subject::MailDomain(name)) => {
                self.take("subject.mail_domain", DomainName::parse(&name)).map(SubjectName::MailDomain)
            }
            Some(Subject::RamUser(name)) => {
                self.take("subject.ram_user", RamUserName::parse(&name)).map(SubjectName::RamUser)
            }
            Some(Subject::IamUser(id)) => {
                self.take("subject.iam_user", IamUserId::parse(&id)).map(SubjectName::IamUser)
            }
            Some(Subject::InstanceAccount(name)) => {
                let instance = self.take("subject.instance_account.instance_id", InstanceId::parse(&name.instance_id));
                let account =
                    self.take("subject.instance_account.account_name", AccountName::parse(&name.account_name));
                Some(SubjectName::account(instance?, account?))
            }
            None => self.take("subject", Err(FieldProblem::Missing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ServiceError;

    fn bad_fields(subject: Option<wire::SubjectName>) -> Vec<&'static str> {
        let mut fields = Fields::default();
        let name = fields.subject(subject);
        match fields.all(|| name) {
            Err(ServiceError::InvalidFields(fields)) => fields.iter().map(|invalid| invalid.field).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_bad_name_is_reported_by_its_path() {
        let account = |instance_id: &str, account_name: &str| {
            Some(wire::SubjectName {
                subject: Some(Subject::InstanceAccount(wire::InstanceAccountName {
                    instance_id: instance_id.to_owned(),
                    account_name: account_name.to_owned(),
                })),
            })
        };
        assert_eq!(bad_fields(None), ["subject"]);
        assert_eq!(bad_fields(Some(wire::SubjectName { subject: None })), ["subject"]);
        let both = ["subject.instance_account.instance_id", "subject.instance_account.account_name"];
        assert_eq!(bad_fields(account("", "Upper")), both);
        assert_eq!(bad_fields(account("r-1", "app")), [""; 0]);
    }
}
