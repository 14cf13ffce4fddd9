//! IAM users.

use super::{AttributeTexts, Attributes, GivenAttributes, Kind, SubjectKind, Tags};
use crate::domain::names::{IamUserId, IamUserName, Region, TenantName};

/// The attributes of an IAM user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamUser {
    /// Its name, which its password must not be.
    pub user_name: IamUserName,
    /// Its tags.
    pub tags: Tags,
}

impl Kind for IamUser {
    const KIND: SubjectKind = SubjectKind::IamUser;
    const WORD: &'static str = "iam-user";
    const ENTITY_TYPE: &'static str = "IamUser";
    const IMPORTED: &'static [&'static str] = &["user_name", "tags"];
    type Name = IamUserId;

    fn stored_name(_: Option<&str>, written: &str) -> Option<IamUserId> {
        IamUserId::parse(written).ok()
    }

    fn key(id: &IamUserId) -> &str {
        id.as_str()
    }

    fn resource(id: &IamUserId, tenant: &TenantName, _: &str) -> String {
        format!("iam::{tenant}:user:{id}")
    }

    fn given(id: &IamUserId, given: GivenAttributes, _: &Region) -> Self {
        Self { user_name: given.user_name.unwrap_or_else(|| IamUserName::of_id(id)), tags: given.tags }
    }

    fn read(id: &IamUserId, texts: &AttributeTexts) -> Result<Self, &'static str> {
        // A user without a given name uses the id as name, which may start with a digit.
        let user_name = match texts.user_name {
            Some(text) if text == id.as_str() => Some(IamUserName::of_id(id)),
            text => text.and_then(|text| IamUserName::parse(text).ok()),
        };
        Ok(Self { user_name: user_name.ok_or("user_name")?, tags: texts.tags.clone().ok_or("tags")? })
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes { user_name: Some(self.user_name.as_str()), tags: Some(&self.tags), ..Attributes::default() }
    }
}
