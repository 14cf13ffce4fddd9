//! The resource of an action.

use std::fmt;

use super::names::{AccountName, DomainName, IamUserId, InstanceId, RamUserName, Region, TenantName};
use super::subject::{InstanceAccountStatus, InstanceStatus, MailDomainStatus, SubjectName, Tags};

/// The resource of an action, with the attributes that permissions are judged on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The installation, which holds tenants and operators.
    Installation,
    /// A tenant.
    Tenant(TenantName),
    /// An instance.
    Instance {
        /// Its tenant.
        tenant: TenantName,
        /// Its region.
        region: Region,
        /// Its id.
        id: InstanceId,
        /// Its state as one word, if it exists.
        status: Option<&'static str>,
    },
    /// A subject.
    Subject {
        /// Its tenant.
        tenant: TenantName,
        /// Its name.
        name: SubjectName,
        /// The region, if its kind has one: its own, or that of its instance.
        region: Option<Region>,
        /// Its state as one word, if it exists and its kind has one.
        status: Option<&'static str>,
        /// Its tags; empty if it does not exist.
        tags: Tags,
    },
}

impl Resource {
    /// A subject of which nothing but the name is known.
    pub fn subject(tenant: TenantName, name: SubjectName) -> Self {
        Self::Subject { tenant, name, region: None, status: None, tags: Tags::new() }
    }

    /// The resource of that name, which is written as in messages and in the audit log. Nothing else is known of it.
    pub fn parse(name: &str) -> Option<Self> {
        let parts: Vec<_> = name.split(':').collect();
        let of_tenant = |tenant: &str| TenantName::parse(tenant).ok();
        let in_region = |tenant, region, name| {
            let (tenant, region) = (of_tenant(tenant)?, Some(Region::parse(region).ok()?));
            Some(Self::Subject { tenant, name, region, status: None, tags: Tags::new() })
        };
        match *parts.as_slice() {
            ["installation"] => Some(Self::Installation),
            [name] => of_tenant(name.strip_prefix("tenant/")?).map(Self::Tenant),
            ["acs", "dm", region, tenant, name] => {
                let name = DomainName::parse_stored(name.strip_prefix("domain/")?).ok()?;
                in_region(tenant, region, SubjectName::MailDomain(name))
            }
            ["acs", "ram", "", tenant, name] => {
                let name = RamUserName::parse_stored(name.strip_prefix("user/")?).ok()?;
                Some(Self::subject(of_tenant(tenant)?, SubjectName::RamUser(name)))
            }
            ["iam", "", tenant, "user", id] => {
                Some(Self::subject(of_tenant(tenant)?, SubjectName::IamUser(IamUserId::parse(id).ok()?)))
            }
            ["acs", "kvstore", region, tenant, name] => {
                let name = name.strip_prefix("instance/")?;
                if let Some((instance, account)) = name.split_once("/account/") {
                    let (instance, account) = (InstanceId::parse(instance).ok()?, AccountName::parse(account).ok()?);
                    return in_region(tenant, region, SubjectName::account(instance, account));
                }
                let (tenant, region) = (of_tenant(tenant)?, Region::parse(region).ok()?);
                Some(Self::Instance { tenant, region, id: InstanceId::parse(name).ok()?, status: None })
            }
            _ => None,
        }
    }

    /// The resource in the state with that word, or `None` if it has no such state.
    pub fn in_state(mut self, word: &str) -> Option<Self> {
        let found = match &self {
            Self::Instance { .. } => InstanceStatus::of(word).map(InstanceStatus::as_str),
            Self::Subject { name: SubjectName::MailDomain(_), .. } => {
                MailDomainStatus::of(word).map(MailDomainStatus::as_str)
            }
            Self::Subject { name: SubjectName::InstanceAccount(_), .. } => {
                InstanceAccountStatus::of(word).map(InstanceAccountStatus::as_str)
            }
            _ => None,
        }?;
        if let Self::Instance { status, .. } | Self::Subject { status, .. } = &mut self {
            *status = Some(found);
        }
        Some(self)
    }

    /// The resource with those tags, or `None` if its kind has no tags.
    pub fn tagged(mut self, given: Tags) -> Option<Self> {
        match &mut self {
            Self::Subject { name: SubjectName::IamUser(_), tags, .. } => *tags = given,
            _ if given.is_empty() => {}
            _ => return None,
        }
        Some(self)
    }

    /// The resource as named to a caller who may not see it: as if it were in that region, wherever it is.
    #[must_use]
    pub fn named_in(mut self, unknown: &Region) -> Self {
        if let Self::Instance { region, .. } | Self::Subject { region: Some(region), .. } = &mut self {
            region.clone_from(unknown);
        }
        self
    }

    /// The tenant that the resource belongs to.
    pub const fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::Installation => None,
            Self::Tenant(tenant) | Self::Instance { tenant, .. } | Self::Subject { tenant, .. } => Some(tenant),
        }
    }
}

/// The resource as the source pages name it.
impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installation => formatter.write_str("installation"),
            Self::Tenant(tenant) => write!(formatter, "tenant/{tenant}"),
            Self::Instance { tenant, region, id, .. } => {
                write!(formatter, "acs:kvstore:{region}:{tenant}:instance/{id}")
            }
            Self::Subject { tenant, name, region, .. } => formatter.write_str(&name.resource(tenant, region.as_ref())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_parsed_from_its_name() {
        for name in [
            "installation",
            "tenant/acme",
            "acs:dm:cn-hangzhou:acme:domain/example.com",
            "acs:ram::acme:user/jane",
            "iam::acme:user:42",
            "acs:kvstore:cn-hangzhou:acme:instance/r-1",
            "acs:kvstore:cn-hangzhou:acme:instance/r-1/account/app",
        ] {
            assert_eq!(Resource::parse(name).map(|resource| resource.to_string()).as_deref(), Some(name));
        }
        for name in [
            "",
            "tenant/",
            "acme",
            "acs:dm::acme:domain/example.com",
            "acs:ram:cn-hangzhou:acme:user/jane",
            "acs:ram::acme:jane",
            "iam::acme:user/42",
            "acs:kvstore:cn-hangzhou:acme:instance/r-1/account/App",
            "acs:kvstore:cn-hangzhou:acme:instance/r-1:x",
        ] {
            assert_eq!(Resource::parse(name), None, "{name}");
        }
    }

    #[test]
    fn only_resources_that_have_states_and_tags_get_them() {
        let domain = Resource::parse("acs:dm:cn-hangzhou:acme:domain/example.com").unwrap();
        let user = Resource::parse("iam::acme:user:42").unwrap();
        let tags = Tags::from([("env".to_owned(), "prod".to_owned())]);
        assert!(domain.clone().in_state("verified").is_some() && domain.clone().in_state("normal").is_none());
        assert!(user.clone().in_state("verified").is_none());
        assert!(user.tagged(tags.clone()).is_some() && domain.clone().tagged(tags).is_none());
        assert_eq!(domain.clone().tagged(Tags::new()), Some(domain));
    }
}
