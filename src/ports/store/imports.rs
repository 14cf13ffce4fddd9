//! What an import needs from the store.

use async_trait::async_trait;

use super::{Authority, Lookup, StoreError};
use crate::domain::credential::{ChangeId, ChangedBy, HashDigest, StoredHash, VersionedHash};
use crate::domain::names::TenantName;
use crate::domain::subject::{Subject, SubjectName};
use crate::domain::time::Timestamp;

/// Imports of many subjects at once.
#[async_trait]
pub trait Imports: Send + Sync {
    /// What exists under each of those names, in their order. MUST be a consistent snapshot.
    async fn look_up_all(&self, names: &[(&TenantName, &SubjectName)]) -> Result<Vec<FoundSubject>, StoreError>;

    /// Adds all of those subjects with their passwords and the audit events of those authorities, in one transaction.
    /// Returns whether it did: MUST add none if a name is taken, or a tenant or an instance does not exist.
    async fn import(&self, subjects: &[ImportedSubject], authorities: &[Authority]) -> Result<bool, StoreError>;
}

/// What was found under a subject's name, with its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSubject {
    /// The subject, or what is missing.
    pub lookup: Lookup,
    /// The hash of its password, if it has one.
    pub hash: Option<VersionedHash>,
    /// The digest of the hash that this password had first, if an upgrade has replaced that.
    pub first_hash: Option<HashDigest>,
}

/// A subject with the hash of the password that it had elsewhere, if it had one. It then starts at version 1.
#[derive(Debug, Clone)]
pub struct ImportedSubject {
    /// Its tenant.
    pub tenant: TenantName,
    /// The subject. For an account, the attributes of its instance are ignored.
    pub subject: Subject,
    /// The hash of its password, if it has one.
    pub hash: Option<StoredHash>,
    /// Who set that password.
    pub changed_by: ChangedBy,
    /// When that password was set.
    pub changed_at: Timestamp,
    /// The change's id.
    pub change_id: ChangeId,
}
