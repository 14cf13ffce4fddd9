//! The resource of an action.

use std::fmt;

use super::names::{InstanceId, Region, TenantName};
use super::subject::{SubjectName, Tags};

/// The resource of an action, with the attributes that permissions are judged on.
#[derive(Debug, Clone, PartialEq, Eq)]
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
