//! Subjects: their kinds, names, attributes and states. One file for each kind.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

use super::names::{AccountName, InstanceId, Region, TenantName};
use super::time::Timestamp;

mod iam_user;
mod instance;
mod instance_account;
mod kind;
mod mail_domain;
mod ram_user;
mod status;

pub use iam_user::IamUser;
pub use instance::{Instance, InstanceStatus};
pub use instance_account::{InstanceAccount, InstanceAccountName, InstanceAccountStatus};
pub use kind::{AttributeTexts, Attributes, GivenAttributes, Kind};
pub use mail_domain::{MailDomain, MailDomainStatus};
pub use ram_user::RamUser;

/// The immutable id of a subject. A subject that is recreated under the same name gets another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectId(pub Uuid);

impl fmt::Display for SubjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Declares the kinds of subject, and what is asked of a subject of any kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)+) => {
        /// The kinds of subject, one for each RPC of `CredentialService`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SubjectKind { $($(#[$doc])* $kind),+ }

        /// A subject's name, unique within its tenant.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum SubjectName { $($(#[$doc])* $kind(<$kind as Kind>::Name)),+ }

        /// The attributes of a subject besides its name; permissions are judged on them.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum SubjectAttributes { $($(#[$doc])* $kind($kind)),+ }

        impl SubjectKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The kind as one word, the same in the store, the log and the audit.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $kind::WORD),+ }
            }

            /// The type of its entities in permissions.
            pub const fn entity_type(self) -> &'static str {
                match self { $(Self::$kind => $kind::ENTITY_TYPE),+ }
            }

            /// Whether its subjects are in a region.
            pub const fn has_region(self) -> bool {
                match self { $(Self::$kind => $kind::HAS_REGION),+ }
            }

            /// The fields of a row to import that hold its attributes.
            pub const fn imported(self) -> &'static [&'static str] {
                match self { $(Self::$kind => $kind::IMPORTED),+ }
            }

            /// A name as it is stored, with its instance. It may be one that a new subject could not have.
            pub fn stored_name(self, instance: Option<&str>, written: &str) -> Option<SubjectName> {
                match self { $(Self::$kind => $kind::stored_name(instance, written).map(SubjectName::$kind)),+ }
            }
        }

        impl SubjectName {
            /// The kind of subject that is named.
            pub const fn kind(&self) -> SubjectKind {
                match self { $(Self::$kind(_) => $kind::KIND),+ }
            }

            /// The instance that the subject belongs to, if it is an account.
            pub fn instance(&self) -> Option<&InstanceId> {
                match self { $(Self::$kind(name) => $kind::instance(name)),+ }
            }

            /// The name within tenant, kind and instance, in the form that is compared: the store's key.
            pub fn key(&self) -> &str {
                match self { $(Self::$kind(name) => $kind::key(name)),+ }
            }

            /// The name within tenant, kind and instance, as it was written: for display.
            pub fn as_written(&self) -> &str {
                match self { $(Self::$kind(name) => $kind::as_written(name)),+ }
            }

            /// The resource as the source pages name it. Kinds without a region ignore it.
            pub fn resource(&self, tenant: &TenantName, region: Option<&Region>) -> String {
                let region = region.map_or("", Region::as_str);
                match self { $(Self::$kind(name) => $kind::resource(name, tenant, region)),+ }
            }
        }

        impl SubjectAttributes {
            /// The attributes of a new subject of that name.
            pub fn given(name: &SubjectName, given: GivenAttributes, default_region: &Region) -> Self {
                match name { $(SubjectName::$kind(name) => Self::$kind($kind::given(name, given, default_region))),+ }
            }

            /// The attributes of a subject of that name, as they are stored.
            ///
            /// # Errors
            /// The first attribute that is missing or not understood.
            pub fn read(name: &SubjectName, texts: &AttributeTexts) -> Result<Self, &'static str> {
                match name { $(SubjectName::$kind(name) => $kind::read(name, texts).map(Self::$kind)),+ }
            }

            /// The attributes in a form for any kind.
            pub fn view(&self) -> Attributes<'_> {
                match self { $(Self::$kind(attributes) => attributes.attributes()),+ }
            }
        }
    };
}

kinds! {
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
    /// Whether its subjects are users, who change their passwords themselves.
    pub const fn is_user(self) -> bool {
        matches!(self, Self::RamUser | Self::IamUser)
    }

    /// The kind with that word, or `None` if there is no such kind.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

impl SubjectName {
    /// The name of an account of an instance.
    pub const fn account(instance: InstanceId, account: AccountName) -> Self {
        Self::InstanceAccount(InstanceAccountName { instance, account })
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

impl Subject {
    /// Its own region, if it has one. That of an account is its instance's.
    pub fn own_region(&self) -> Option<&Region> {
        self.attributes.view().region.filter(|_| self.name.instance().is_none())
    }
}
