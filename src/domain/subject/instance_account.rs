//! Accounts of instances.

use super::status::status;
use super::{AttributeTexts, Attributes, GivenAttributes, InstanceStatus, Kind, SubjectKind};
use crate::domain::names::{AccountName, InstanceId, Region, TenantName};

/// The name of an instance account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceAccountName {
    /// The instance.
    pub instance: InstanceId,
    /// The name within the instance.
    pub account: AccountName,
}

/// The attributes of an instance account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAccount {
    /// The region of its instance.
    pub region: Region,
    /// The state of its instance.
    pub instance_status: InstanceStatus,
    /// Its own state.
    pub status: InstanceAccountStatus,
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

impl Kind for InstanceAccount {
    const KIND: SubjectKind = SubjectKind::InstanceAccount;
    const WORD: &'static str = "instance-account";
    const ENTITY_TYPE: &'static str = "InstanceAccount";
    const HAS_REGION: bool = true;
    const IMPORTED: &'static [&'static str] = &["account_status"];
    type Name = InstanceAccountName;

    fn stored_name(instance: Option<&str>, written: &str) -> Option<InstanceAccountName> {
        let instance = InstanceId::parse(instance?).ok()?;
        Some(InstanceAccountName { instance, account: AccountName::parse(written).ok()? })
    }

    fn instance(name: &InstanceAccountName) -> Option<&InstanceId> {
        Some(&name.instance)
    }

    fn key(name: &InstanceAccountName) -> &str {
        name.account.as_str()
    }

    fn resource(name: &InstanceAccountName, tenant: &TenantName, region: &str) -> String {
        let InstanceAccountName { instance, account } = name;
        format!("acs:kvstore:{region}:{tenant}:instance/{instance}/account/{account}")
    }

    fn given(_: &InstanceAccountName, given: GivenAttributes, default_region: &Region) -> Self {
        // Region and state of the instance are read from it once the account is stored.
        let (region, instance_status) = (default_region.clone(), InstanceStatus::Normal);
        Self { region, instance_status, status: given.account_status.unwrap_or(InstanceAccountStatus::Available) }
    }

    fn read(_: &InstanceAccountName, texts: &AttributeTexts) -> Result<Self, &'static str> {
        let instance_status = texts.instance_status.and_then(InstanceStatus::of).ok_or("instance_status")?;
        Ok(Self { region: texts.region()?, instance_status, status: texts.status(InstanceAccountStatus::of)? })
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            region: Some(&self.region),
            status: Some(self.status.as_str()),
            instance_status: Some(self.instance_status.as_str()),
            ..Attributes::default()
        }
    }
}
