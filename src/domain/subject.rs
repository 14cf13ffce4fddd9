//! Subjects: their kinds, names, attributes and states.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

use super::names::{AccountName, DomainName, IamUserId, IamUserName, InstanceId, RamUserName, Region};
use super::time::Timestamp;

/// The immutable id of a subject. A subject that is recreated under the same name gets another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectId(pub Uuid);

impl fmt::Display for SubjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The four kinds of subject, one for each RPC of `CredentialService`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A Direct Mail domain.
    MailDomain,
    /// A RAM user.
    RamUser,
    /// A Huawei IAM user.
    IamUser,
    /// An account of a Tair instance.
    InstanceAccount,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::MailDomain, Self::RamUser, Self::IamUser, Self::InstanceAccount];

    /// The kind as one word, the same in the store, the log and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailDomain => "mail-domain",
            Self::RamUser => "ram-user",
            Self::IamUser => "iam-user",
            Self::InstanceAccount => "instance-account",
        }
    }
}

/// A subject's name, unique within its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectName {
    /// A mail domain by its domain name.
    MailDomain(DomainName),
    /// A RAM user by its user name.
    RamUser(RamUserName),
    /// An IAM user by its id.
    IamUser(IamUserId),
    /// An account by its instance and its name within that.
    InstanceAccount(InstanceId, AccountName),
}

impl SubjectName {
    /// The kind of subject that is named.
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::MailDomain(_) => SubjectKind::MailDomain,
            Self::RamUser(_) => SubjectKind::RamUser,
            Self::IamUser(_) => SubjectKind::IamUser,
            Self::InstanceAccount(..) => SubjectKind::InstanceAccount,
        }
    }

    /// The instance that the subject belongs to, if it is an account.
    pub const fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::InstanceAccount(instance, _) => Some(instance),
            _ => None,
        }
    }

    /// The name within tenant, kind and instance, in the form that is compared: the store's key.
    pub fn key(&self) -> &str {
        match self {
            Self::MailDomain(name) => name.lower_case(),
            Self::RamUser(name) => name.as_str(),
            Self::IamUser(id) => id.as_str(),
            Self::InstanceAccount(_, name) => name.as_str(),
        }
    }

    /// The name within tenant, kind and instance, as it was written: for display.
    pub fn as_written(&self) -> &str {
        match self {
            Self::MailDomain(name) => name.as_written(),
            _ => self.key(),
        }
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instance() {
            Some(instance) => write!(formatter, "{} {instance}/{}", self.kind().as_str(), self.key()),
            None => write!(formatter, "{} {}", self.kind().as_str(), self.key()),
        }
    }
}

/// Declares a state as an enum with one stable word for each value.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value as one word, the same in the store, the log and the audit.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value with that word, or `None` if there is no such value.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.as_str() == word)
            }
        }
    };
}

status! {
    /// The state of a mail domain (Direct Mail `DomainStatus`).
    MailDomainStatus {
        /// Available and verified.
        Verified = "verified",
        /// Its verification failed; its password can't be changed.
        VerificationFailed = "verification-failed",
        /// Usable without a CNAME record and an ICP filing.
        WithoutCnameAndIcpFiling = "without-cname-and-icp-filing",
        /// Usable without an ICP filing.
        WithoutIcpFiling = "without-icp-filing",
        /// Usable without a CNAME record.
        WithoutCname = "without-cname",
    }
}

status! {
    /// The state of an instance (Tair `InstanceStatus`).
    InstanceStatus {
        /// Running.
        Normal = "normal",
        /// Being created.
        Creating = "creating",
        /// Its configuration is changing.
        Changing = "changing",
        /// Disabled.
        Inactive = "inactive",
        /// Being flushed.
        Flushing = "flushing",
        /// Released.
        Released = "released",
        /// Its billing method is changing.
        Transforming = "transforming",
        /// Unavailable.
        Unavailable = "unavailable",
        /// In error.
        Error = "error",
        /// Being migrated.
        Migrating = "migrating",
        /// Being restored from a backup.
        BackupRecovering = "backup-recovering",
        /// Its minor version is being upgraded.
        MinorVersionUpgrading = "minor-version-upgrading",
        /// Its network is being changed.
        NetworkModifying = "network-modifying",
        /// Its TLS setting is being changed.
        SslModifying = "ssl-modifying",
        /// Its major version is being upgraded.
        MajorVersionUpgrading = "major-version-upgrading",
    }
}

status! {
    /// The state of an instance account (Tair `AccountStatus`).
    InstanceAccountStatus {
        /// Available.
        Available = "available",
        /// Unavailable; its password can't be changed.
        Unavailable = "unavailable",
    }
}

/// The attributes of a subject besides its name; permissions are judged on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectAttributes {
    /// Attributes of a mail domain.
    MailDomain {
        /// The region.
        region: Region,
        /// Its state.
        status: MailDomainStatus,
    },
    /// Attributes of a RAM user: none.
    RamUser,
    /// Attributes of an IAM user.
    IamUser {
        /// Its name, which its password must not be.
        user_name: IamUserName,
        /// Its tags.
        tags: Tags,
    },
    /// Attributes of an instance account.
    InstanceAccount {
        /// The region of its instance.
        region: Region,
        /// The state of its instance.
        instance_status: InstanceStatus,
        /// Its own state.
        status: InstanceAccountStatus,
    },
}

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// A subject without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its immutable id.
    pub id: SubjectId,
    /// Its name.
    pub name: SubjectName,
    /// Its attributes.
    pub attributes: SubjectAttributes,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A Tair or Redis instance, which accounts belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The region.
    pub region: Region,
    /// Its state.
    pub status: InstanceStatus,
    /// When it was created.
    pub created_at: Timestamp,
}
