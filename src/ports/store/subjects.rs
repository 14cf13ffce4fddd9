//! Subjects, without their credentials.

use async_trait::async_trait;

use super::{Authority, Creation, Deletion, StoreError};
use crate::domain::credential::{ChangeId, CredentialState, StoredHash};
use crate::domain::names::{InstanceId, Region, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{InstanceAccountStatus, MailDomainStatus, Subject, SubjectKind, SubjectName};

/// Subjects. Every write records its audit event in the same transaction, and the creation and deletion of a subject its
/// change event; what changes nothing records nothing.
#[async_trait]
pub trait Subjects: Send + Sync {
    /// Looks a subject up by its name, without its credential. MUST NOT find another tenant's.
    async fn look_up(&self, tenant: &TenantName, name: &SubjectName) -> Result<Lookup, StoreError>;

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

/// What was found under a subject's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The subject.
    Found(Subject),
    /// Nothing.
    Missing(Absent),
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// There is no such subject. For an account: its instance exists, in this region.
    Subject {
        /// The region of the instance.
        region: Option<Region>,
    },
    /// There is no such instance.
    Instance,
    /// There is no such tenant.
    Tenant,
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
    pub change_id: ChangeId,
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
