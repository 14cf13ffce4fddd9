//! What the administration of the directory needs of the store.

use async_trait::async_trait;

use super::{Authority, StoreError};
use crate::domain::credential::{CredentialState, StoredHash};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{
    Instance, InstanceAccountStatus, InstanceStatus, MailDomainStatus, Subject, SubjectKind, SubjectName,
};
use crate::domain::tenant::Tenant;

/// Tenants, instances and subjects. Every write comes with its authority and records its audit event, and the creation and deletion of a subject
/// with its change event, in the same transaction; what changes nothing records nothing.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Adds a tenant.
    async fn create_tenant(&self, tenant: &Tenant, authority: &Authority) -> Result<Creation, StoreError>;

    /// A tenant, or `None` where there is none of that name.
    async fn tenant(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError>;

    /// Tenants in the order of their names.
    async fn tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError>;

    /// Removes a tenant that has no subjects and no instances, with its settings. Its access tokens prove nothing from then
    /// on and its events are found by nobody; their rows are left to [`Upkeep`](super::Upkeep).
    async fn delete_tenant(&self, name: &TenantName, authority: &Authority) -> Result<Deletion, StoreError>;

    /// Replaces a tenant's settings where they are still `expected`. Answers whether they were.
    async fn replace_settings(
        &self,
        tenant: &TenantName,
        expected: &TenantSettings,
        settings: &TenantSettings,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Adds an instance.
    async fn create_instance(
        &self,
        tenant: &TenantName,
        instance: &Instance,
        authority: &Authority,
    ) -> Result<Creation, StoreError>;

    /// An instance, or `None` where the tenant has none of that id.
    async fn instance(&self, tenant: &TenantName, id: &InstanceId) -> Result<Option<Instance>, StoreError>;

    /// Instances of a tenant in the order of their ids.
    async fn instances(&self, tenant: &TenantName, page: &PageRequest) -> Result<Page<Instance>, StoreError>;

    /// Sets an instance's state. Answers whether there is such an instance.
    async fn set_instance_status(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        status: InstanceStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Removes an instance that has no accounts.
    async fn delete_instance(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        authority: &Authority,
    ) -> Result<Deletion, StoreError>;

    /// Adds a subject, with its first password where there is one.
    async fn create_subject(&self, new: &NewSubject, authority: &Authority) -> Result<Creation, StoreError>;

    /// A subject with what may be told of its credential, or `None`.
    async fn subject(&self, tenant: &TenantName, name: &SubjectName) -> Result<Option<SubjectEntry>, StoreError>;

    /// Subjects of one kind, of one instance where that is named, in the order of their names.
    async fn subjects(
        &self,
        tenant: &TenantName,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, StoreError>;

    /// Sets a subject's state. Answers whether there is such a subject.
    async fn set_subject_status(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        status: SubjectStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Removes a subject, with its credential, history and access tokens. Its attempts are counted by its id, which
    /// nobody is given again.
    async fn delete_subject(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        authority: &Authority,
    ) -> Result<Deletion, StoreError>;
}

/// What came of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is there now.
    Created,
    /// One of that name was there already.
    AlreadyExists,
    /// There is no such tenant.
    TenantAbsent,
    /// There is no such instance.
    InstanceAbsent,
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone now.
    Deleted,
    /// There was none.
    Absent,
    /// It still has what belongs to it.
    NotEmpty,
}

/// A subject to be added.
#[derive(Debug, Clone)]
pub struct NewSubject {
    /// Its tenant.
    pub tenant: TenantName,
    /// The subject. Of an account, the attributes of its instance are not read.
    pub subject: Subject,
    /// Its first password, where there is one.
    pub first_password: Option<FirstPassword>,
}

/// A first password, set by an administrator at the subject's creation.
#[derive(Debug, Clone)]
pub struct FirstPassword {
    /// Its hash.
    pub hash: StoredHash,
    /// The change's id.
    pub change_id: crate::domain::credential::ChangeId,
}

/// A subject and what may be told of its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectEntry {
    /// The subject.
    pub subject: Subject,
    /// Its credential's state, where it has one.
    pub credential: Option<CredentialState>,
}

/// The state of a subject whose kind has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectStatus {
    /// Of a mail domain.
    MailDomain(MailDomainStatus),
    /// Of an instance account.
    InstanceAccount(InstanceAccountStatus),
}
