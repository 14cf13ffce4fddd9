//! The owner of subjects.

use std::fmt;

use uuid::Uuid;

use super::names::TenantName;
use super::time::Timestamp;

/// A tenant's immutable id. A tenant that is recreated under the same name gets another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantId(pub Uuid);

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An owner of subjects: the vendors' account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: TenantName,
    /// When it was created.
    pub created_at: Timestamp,
}
