//! The resource of an action.

use std::fmt;

use super::names::AccountName;
use super::names::{DomainName, IamUserId, InstanceId, RamUserName, Region, TenantName};
use super::subject::Tags;

/// The resource of an action, with the attributes that permissions are judged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The installation, which holds tenants and operators.
    Installation,
    /// A tenant.
    Tenant(TenantName),
    /// A mail domain.
    MailDomain {
        /// Its tenant.
        tenant: TenantName,
        /// Its region.
        region: Region,
        /// Its name.
        name: DomainName,
        /// Its state as one word, if it exists.
        status: Option<&'static str>,
    },
    /// A RAM user.
    RamUser {
        /// Its tenant.
        tenant: TenantName,
        /// Its name.
        name: RamUserName,
    },
    /// An IAM user.
    IamUser {
        /// Its tenant.
        tenant: TenantName,
        /// Its id.
        id: IamUserId,
        /// Its tags; empty if it does not exist.
        tags: Tags,
    },
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
    /// An account of an instance.
    InstanceAccount {
        /// Its tenant.
        tenant: TenantName,
        /// The region of its instance.
        region: Region,
        /// Its instance.
        instance: InstanceId,
        /// Its name.
        name: AccountName,
        /// Its state as one word, if it exists.
        status: Option<&'static str>,
    },
}

impl Resource {
    /// The resource as named to a caller who may not see it: as if it were in that region, wherever it is.
    #[must_use]
    pub fn named_in(mut self, unknown: &Region) -> Self {
        if let Self::MailDomain { region, .. } | Self::Instance { region, .. } | Self::InstanceAccount { region, .. } =
            &mut self
        {
            region.clone_from(unknown);
        }
        self
    }

    /// The tenant that the resource belongs to.
    pub const fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::Installation => None,
            Self::Tenant(tenant)
            | Self::MailDomain { tenant, .. }
            | Self::RamUser { tenant, .. }
            | Self::IamUser { tenant, .. }
            | Self::Instance { tenant, .. }
            | Self::InstanceAccount { tenant, .. } => Some(tenant),
        }
    }
}

/// The resource as the source pages name it.
impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installation => formatter.write_str("installation"),
            Self::Tenant(tenant) => write!(formatter, "tenant/{tenant}"),
            Self::MailDomain { tenant, region, name, .. } => {
                write!(formatter, "acs:dm:{region}:{tenant}:domain/{}", name.lower_case())
            }
            Self::RamUser { tenant, name } => write!(formatter, "acs:ram::{tenant}:user/{name}"),
            Self::IamUser { tenant, id, .. } => write!(formatter, "iam::{tenant}:user:{id}"),
            Self::Instance { tenant, region, id, .. } => {
                write!(formatter, "acs:kvstore:{region}:{tenant}:instance/{id}")
            }
            Self::InstanceAccount { tenant, region, instance, name, .. } => {
                write!(formatter, "acs:kvstore:{region}:{tenant}:instance/{instance}/account/{name}")
            }
        }
    }
}
