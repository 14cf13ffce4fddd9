//! The subjects of a rotation.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::domain::subject::SubjectKind;
use crate::grpc::generated::credential::v1 as wire;

/// A kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// Mail domains.
    MailDomain,
    /// RAM users.
    RamUser,
    /// IAM users.
    IamUser,
    /// Accounts of instances.
    InstanceAccount,
}

impl Kind {
    /// Its word, the same in files and on the command line.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::MailDomain => SubjectKind::MailDomain,
            Self::RamUser => SubjectKind::RamUser,
            Self::IamUser => SubjectKind::IamUser,
            Self::InstanceAccount => SubjectKind::InstanceAccount,
        }
        .as_str()
    }

    /// Whether its subjects can have an overlap.
    pub(super) const fn has_overlaps(self) -> bool {
        matches!(self, Self::MailDomain | Self::InstanceAccount)
    }
}

/// A subject, by its name within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    pub(super) name: String,
}

impl Subject {
    /// The name as the service takes it.
    pub(super) fn on_the_wire(&self) -> wire::SubjectName {
        use wire::subject_name::Subject as Named;

        let name = self.name.clone();
        let subject = match self.kind {
            Kind::MailDomain => Named::MailDomain(name),
            Kind::RamUser => Named::RamUser(name),
            Kind::IamUser => Named::IamUser(name),
            Kind::InstanceAccount => {
                let instance_id = self.instance.clone().unwrap_or_default();
                Named::InstanceAccount(wire::InstanceAccountName { instance_id, account_name: name })
            }
        };
        wire::SubjectName { subject: Some(subject) }
    }

    /// The name below its kind, with the instance before it.
    pub(super) fn joined(&self, separator: char) -> String {
        match &self.instance {
            Some(instance) => format!("{instance}{separator}{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.word(), self.joined('/'))
    }
}

/// A subject that was selected, with the version of the password that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Selected {
    #[serde(flatten)]
    pub(super) name: Subject,
    pub(super) version: u64,
}
