//! RAM users.

use super::{AttributeTexts, Attributes, GivenAttributes, Kind, SubjectKind};
use crate::domain::names::{RamUserName, Region, TenantName};

/// The attributes of a RAM user: none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamUser;

impl Kind for RamUser {
    const KIND: SubjectKind = SubjectKind::RamUser;
    const WORD: &'static str = "ram-user";
    const ENTITY_TYPE: &'static str = "RamUser";
    type Name = RamUserName;

    fn stored_name(_: Option<&str>, written: &str) -> Option<RamUserName> {
        RamUserName::parse_stored(written).ok()
    }

    fn key(name: &RamUserName) -> &str {
        name.as_str()
    }

    fn resource(name: &RamUserName, tenant: &TenantName, _: &str) -> String {
        format!("acs:ram::{tenant}:user/{name}")
    }

    fn given(_: &RamUserName, _: GivenAttributes, _: &Region) -> Self {
        Self
    }

    fn read(_: &RamUserName, _: &AttributeTexts) -> Result<Self, &'static str> {
        Ok(Self)
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes::default()
    }
}
