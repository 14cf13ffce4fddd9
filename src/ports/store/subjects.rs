//! Subjects, without their credentials.

use async_trait::async_trait;

use super::{Authority, Creation, Deletion, StoreError};
use crate::domain::credential::{ChangeId, ChangedBy, CredentialState, StoredHash};
use crate::domain::names::{InstanceId, Region, TenantName};
use crate::domain::page::{CountedPage, CountedPageRequest, Page, PageRequest};
use crate::domain::sealed::Sealed;
use crate::domain::subject::{InstanceAccountStatus, MailDomainStatus, Subject, SubjectId, SubjectKind, SubjectName};
use crate::domain::time::Timestamp;
use crate::ports::Evidence;

/// Subjects. Every write records its audit event in the same transaction, and the creation and deletion of a subject
/// its change event; a call that changes nothing records nothing.
#[async_trait]
pub trait Subjects: Send + Sync {
    /// Looks up a subject by its name, without its credential. MUST NOT find another tenant's.
    async fn look_up(&self, tenant: &TenantName, name: &SubjectName) -> Result<Lookup, StoreError>;

    /// The same for a caller whose evidence is checked at that time, on the same snapshot. If it does not hold, MUST return
    /// [`EvidenceGone`](StoreError::EvidenceGone).
    async fn look_up_for(
        &self,
        evidence: &Evidence,
        at: Timestamp,
        tenant: &TenantName,
        name: &SubjectName,
    ) -> Result<Lookup, StoreError>;

    /// Adds a subject, with its first password if there is one.
    async fn create_subject(&self, new: &NewSubject, authority: &Authority) -> Result<Creation, StoreError>;

    /// A subject with what may be disclosed of its credential, or `None`.
    async fn subject(&self, tenant: &TenantName, name: &SubjectName) -> Result<Option<SubjectEntry>, StoreError>;

    /// Subjects of one kind, limited to one instance if it is named, in the order of their names.
    async fn subjects(
        &self,
        tenant: &TenantName,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, StoreError>;

    /// Accounts of an instance whose names contain a text, in the order of their names. Counts all of them, and reads only
    /// those of the page, on one snapshot.
    async fn accounts(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        containing: &str,
        page: CountedPageRequest,
    ) -> Result<CountedPage<SubjectEntry>, StoreError>;

    /// Sets a subject's state. Returns whether the subject exists. MUST NOT change another one than the audit event names, which
    /// was made under the same name since.
    async fn set_subject_status(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        status: SubjectStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Removes a subject, with its credential, history and access tokens. Its attempts are counted by its id, which no
    /// later subject gets. MUST NOT remove another one than the audit event names, which was made under the same name since.
    async fn delete_subject(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        authority: &Authority,
    ) -> Result<Deletion, StoreError>;
}

/// What exists under a subject's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The subject.
    Found(Subject),
    /// Something is missing.
    Missing(Absent),
}

impl Lookup {
    /// The id of the subject, if it was found.
    pub const fn subject_id(&self) -> Option<SubjectId> {
        match self {
            Self::Found(subject) => Some(subject.id),
            Self::Missing(_) => None,
        }
    }
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// The subject does not exist. For an account: its instance exists, in this region.
    Subject {
        /// The region of the instance.
        region: Option<Region>,
    },
    /// The instance does not exist.
    Instance,
    /// The tenant does not exist.
    Tenant,
}

/// A subject to be added.
#[derive(Debug, Clone)]
pub struct NewSubject {
    /// Its tenant.
    pub tenant: TenantName,
    /// The subject. For an account, the attributes of its instance are ignored.
    pub subject: Subject,
    /// Its first password, if there is one.
    pub first_password: Option<FirstPassword>,
}

/// A first password, set by an administrator at the subject's creation.
#[derive(Debug, Clone)]
pub struct FirstPassword {
    /// Its hash.
    pub hash: StoredHash,
    /// Who sets it.
    pub changed_by: ChangedBy,
    /// The change's id.
    pub change_id: ChangeId,
    /// The password that is delivered if the subject's instance has an endpoint.
    pub deliver: Option<Sealed>,
}

/// A subject, with the state of its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectEntry {
    /// The subject.
    pub subject: Subject,
    /// Its credential's state, if it has a credential.
    pub credential: Option<CredentialState>,
    /// The stored hash of its password, if it has a credential. Not to be disclosed.
    pub hash: Option<StoredHash>,
}

/// The state of a subject whose kind has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectStatus {
    /// The state of a mail domain.
    MailDomain(MailDomainStatus),
    /// The state of an instance account.
    InstanceAccount(InstanceAccountStatus),
}
