//! Mail domains.

use super::status::status;
use super::{AttributeTexts, Attributes, GivenAttributes, Kind, SubjectKind};
use crate::domain::names::{DomainName, Region, TenantName};

/// The attributes of a mail domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailDomain {
    /// The region.
    pub region: Region,
    /// Its state.
    pub status: MailDomainStatus,
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

impl Kind for MailDomain {
    const KIND: SubjectKind = SubjectKind::MailDomain;
    const WORD: &'static str = "mail-domain";
    const ENTITY_TYPE: &'static str = "MailDomain";
    const HAS_REGION: bool = true;
    const IMPORTED: &'static [&'static str] = &["region", "mail_domain_status"];
    type Name = DomainName;

    fn stored_name(_: Option<&str>, written: &str) -> Option<DomainName> {
        DomainName::parse_stored(written).ok()
    }

    fn key(name: &DomainName) -> &str {
        name.lower_case()
    }

    fn as_written(name: &DomainName) -> &str {
        name.as_written()
    }

    fn resource(name: &DomainName, tenant: &TenantName, region: &str) -> String {
        format!("acs:dm:{region}:{tenant}:domain/{}", name.lower_case())
    }

    fn given(_: &DomainName, given: GivenAttributes, default_region: &Region) -> Self {
        let region = given.region.unwrap_or_else(|| default_region.clone());
        Self { region, status: given.mail_domain_status.unwrap_or(MailDomainStatus::Verified) }
    }

    fn read(_: &DomainName, texts: &AttributeTexts) -> Result<Self, &'static str> {
        Ok(Self { region: texts.region()?, status: texts.status(MailDomainStatus::of)? })
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes { region: Some(&self.region), status: Some(self.status.as_str()), ..Attributes::default() }
    }
}
