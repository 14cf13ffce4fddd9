//! What differs between the kinds of subject, besides their policies and their messages.

use super::{InstanceAccountStatus, MailDomainStatus, SubjectKind, Tags};
use crate::domain::names::{IamUserName, InstanceId, Region, TenantName};

/// A kind of subject, implemented by the attributes that its subjects have besides their names.
pub trait Kind: Sized {
    /// The kind.
    const KIND: SubjectKind;
    /// The kind as one word, the same in the store, the log and the audit.
    const WORD: &'static str;
    /// The type of its entities in permissions.
    const ENTITY_TYPE: &'static str;
    /// Whether its subjects are in a region.
    const HAS_REGION: bool = false;
    /// The fields of a row to import that hold its attributes. The row of another kind must leave them out.
    const IMPORTED: &'static [&'static str] = &[];
    /// The name of its subjects, unique within a tenant.
    type Name;

    /// A name as it is stored, with its instance. It may be one that a new subject could not have.
    fn stored_name(instance: Option<&str>, written: &str) -> Option<Self::Name>;

    /// The instance that the subject belongs to, if its kind belongs to one.
    fn instance(_: &Self::Name) -> Option<&InstanceId> {
        None
    }

    /// The name within tenant, kind and instance, in the form that is compared: the store's key.
    fn key(name: &Self::Name) -> &str;

    /// The name within tenant, kind and instance, as it was written: for display.
    fn as_written(name: &Self::Name) -> &str {
        Self::key(name)
    }

    /// The resource as the source pages name it.
    fn resource(name: &Self::Name, tenant: &TenantName, region: &str) -> String;

    /// The attributes of a new subject.
    fn given(name: &Self::Name, given: GivenAttributes, default_region: &Region) -> Self;

    /// Attributes as they are stored.
    ///
    /// # Errors
    /// The first attribute that is missing or not understood.
    fn read(name: &Self::Name, texts: &AttributeTexts) -> Result<Self, &'static str>;

    /// Attributes in a form for any kind.
    fn attributes(&self) -> Attributes<'_>;
}

/// The attributes of a subject of any kind. What its kind does not have is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// The region: its own, or that of its instance.
    pub region: Option<&'a Region>,
    /// Its state as one word.
    pub status: Option<&'static str>,
    /// The state of its instance as one word.
    pub instance_status: Option<&'static str>,
    /// The user name, if that is not the name.
    pub user_name: Option<&'a str>,
    /// Its tags.
    pub tags: Option<&'a Tags>,
}

/// The attributes that are given for a new subject of any kind. Its kind ignores what it does not have, and has defaults
/// for what is not given.
#[derive(Debug, Clone, Default)]
pub struct GivenAttributes {
    /// The region. Default: the configured one.
    pub region: Option<Region>,
    /// The state of a mail domain. Default: verified.
    pub mail_domain_status: Option<MailDomainStatus>,
    /// The user name. Default: the id.
    pub user_name: Option<IamUserName>,
    /// The tags.
    pub tags: Tags,
    /// The state of an account. Default: available.
    pub account_status: Option<InstanceAccountStatus>,
}

/// The attributes of a subject of any kind as texts that are to be read.
#[derive(Debug, Clone, Default)]
pub struct AttributeTexts<'a> {
    /// The region: its own, or that of its instance.
    pub region: Option<&'a str>,
    /// Its state.
    pub status: Option<&'a str>,
    /// The state of its instance.
    pub instance_status: Option<&'a str>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// Its tags.
    pub tags: Option<Tags>,
}

impl AttributeTexts<'_> {
    pub(super) fn region(&self) -> Result<Region, &'static str> {
        self.region.and_then(|text| Region::parse(text).ok()).ok_or("region")
    }

    pub(super) fn status<S>(&self, of: impl FnOnce(&str) -> Option<S>) -> Result<S, &'static str> {
        self.status.and_then(of).ok_or("status")
    }
}
