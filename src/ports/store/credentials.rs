//! What a change and a verification need of the store.

use async_trait::async_trait;

use super::{Authority, HashEntry, StoreError};
use crate::domain::attempts::{Backoff, Forget, Pair, StoredFailures};
use crate::domain::audit_event::AuditEvent;
use crate::domain::client_token::{ClientTokenKey, RememberedChange};
use crate::domain::credential::{ChangeId, ChangedBy, Credential, Revision, StoredHash, Version};
use crate::domain::names::{Region, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Subject, SubjectId, SubjectName};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::Deadline;

/// Credentials, attempts and the audit log.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Looks a subject up by its name, without its credential. MUST NOT find another tenant's.
    async fn look_up(&self, tenant: &TenantName, name: &SubjectName) -> Result<Lookup, StoreError>;

    /// The id of a tenant and its settings, or `None` where there is no such tenant.
    async fn tenant_settings(&self, tenant: &TenantName) -> Result<Option<(TenantId, TenantSettings)>, StoreError>;

    /// The settings of a tenant, or `None` where there is no such tenant.
    async fn settings(&self, tenant: &TenantName) -> Result<Option<TenantSettings>, StoreError> {
        Ok(self.tenant_settings(tenant).await?.map(|(_, settings)| settings))
    }

    /// A subject's credential, or `None` where it has none. MUST be one moment's: never half of a change.
    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError>;

    /// The change that is remembered under a client token of that subject, also one whose window is over.
    async fn remembered(
        &self,
        subject: SubjectId,
        token: &ClientTokenKey,
    ) -> Result<Option<RememberedChange>, StoreError>;

    /// Sets a password where the credential is still at the expected version, in one transaction with the history, the
    /// client token that it is remembered under, the removal of the stored failures of `forget`, the change event and the
    /// audit event. MUST change nothing otherwise. Where it is not known by the deadline whether it was made, MUST say so.
    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError>;

    /// Replaces the hash of the same password where nobody wrote to the credential since that revision. Answers whether
    /// nobody did. MUST leave the version, the time and id of the change, and the history as they are.
    async fn replace_hash(&self, subject: SubjectId, revision: Revision, hash: &StoredHash)
    -> Result<bool, StoreError>;

    /// The current hashes of a tenant's subjects, or of everybody's where none is named, in a fixed order.
    async fn hashes(&self, tenant: Option<&TenantName>, page: &PageRequest) -> Result<Page<HashEntry>, StoreError>;

    /// The wrong passwords in a row that are stored.
    async fn failures(&self, pair: &Pair) -> Result<StoredFailures, StoreError>;

    /// Counts one more failed attempt, for the pair and for the subject, with its audit event in the same transaction, and
    /// where the pair has to wait for a wrong password by that limit, with the change event of the subject that the audit
    /// event names. An attempt without a verdict is counted alike and tells watchers nothing.
    async fn record_failure(
        &self,
        pair: &Pair,
        at: Timestamp,
        limit: &Backoff,
        event: &AuditEvent,
    ) -> Result<(), StoreError>;

    /// Forgets the pair's failures, and takes as many from the subject's.
    async fn forget_failures(&self, pair: &Pair) -> Result<(), StoreError>;

    /// Records a decision that changed nothing.
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError>;
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

/// A password to be set.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose.
    pub subject: SubjectId,
    /// The version that the change was decided on; `None` where there was no password.
    pub expected: Option<Version>,
    /// The hash of the new password.
    pub hash: StoredHash,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub changed_by: ChangedBy,
    /// The change's id.
    pub change_id: ChangeId,
    /// How many earlier hashes are kept, the one that is replaced included.
    pub keep_history: u32,
    /// Whether the password that is replaced stays good for as long as the subject's overlaps are. Its hash is then kept.
    pub begins_overlap: bool,
    /// What the change is remembered under, where its caller wants that. It takes the place of what was remembered there.
    pub remember: Option<(ClientTokenKey, RememberedChange)>,
    /// Whose failures are forgotten with the change.
    pub forget: Option<Forget>,
    /// In whose name, with the audit event.
    pub authority: Authority,
    /// Until when somebody waits to learn what came of it; where nobody does, for as long as the store has patience.
    pub deadline: Option<Deadline>,
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The password is set; the credential is at this version.
    Committed(Version),
    /// Somebody else was first: the credential is at this version now.
    VersionMoved(Option<Version>),
    /// The subject was deleted.
    SubjectGone,
}
