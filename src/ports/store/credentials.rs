//! What a change and a verification need of the store.

use async_trait::async_trait;

use super::{Authority, HashEntry, StoreError};
use crate::domain::attempts::Forget;
use crate::domain::client_token::{ClientTokenKey, RememberedChange};
use crate::domain::credential::{ChangeId, ChangedBy, Credential, Revision, StoredHash, Version};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::SubjectId;
use crate::domain::time::Timestamp;
use crate::ports::Deadline;

/// Credentials with their history.
#[async_trait]
pub trait Credentials: Send + Sync {
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
