//! The owner of subjects.

use super::names::TenantName;
use super::time::Timestamp;

/// An owner of subjects: the vendors' account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: TenantName,
    /// When it was created.
    pub created_at: Timestamp,
}
