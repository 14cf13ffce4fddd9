//! What a change and a verification need from the store.

use async_trait::async_trait;

use super::{Authority, HashEntry, StoreError};
use crate::domain::attempts::{Forget, Pair, StoredFailures};
use crate::domain::candidate_policy::TenantPolicies;
use crate::domain::client_token::{ClientTokenKey, RememberedChange};
use crate::domain::credential::{ChangeId, ChangedBy, Credential, HashDigest, Revision, StoredHash, Version};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::sealed::Sealed;
use crate::domain::subject::SubjectId;
use crate::domain::time::Timestamp;
use crate::ports::Deadline;

/// Credentials with their history.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// A subject's credential, or `None` if it has none. MUST be a consistent snapshot: never half of a change.
    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError>;

    /// Everything that an attempt on a password is decided on, or `None` if the tenant does not exist. MUST be one
    /// consistent snapshot, and cost the same whether the subject exists or not.
    async fn standing(&self, of: &StandingQuery<'_>) -> Result<Option<Standing>, StoreError>;

    /// Sets a password if the credential is still at the expected version, in one transaction with the history, the
    /// client token that it is remembered under, the removal of the stored failures of `forget`, the change event and
    /// the audit event. MUST change nothing otherwise. If the outcome is not known by the deadline, MUST report this.
    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError>;

    /// Replaces the hash of the same password if nothing was written to the credential since that revision. Returns
    /// whether it did. MUST leave the version, the time and id of the change, and the history as they are, and keep the
    /// digest of the hash that the password had first, which is `replaced` if none is kept yet.
    async fn replace_hash(
        &self,
        subject: SubjectId,
        revision: Revision,
        hash: &StoredHash,
        replaced: HashDigest,
    ) -> Result<bool, StoreError>;

    /// Stores the hash of a password that another system has confirmed, with the audit event, if nothing was written to the
    /// credential since that revision. Returns whether it did. MUST leave the version, the time and id of the change, and the
    /// history as they are. From then on the password counts as set by an administrator.
    async fn take_over(
        &self,
        subject: SubjectId,
        revision: Revision,
        hash: &StoredHash,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// The current hashes of a tenant's subjects, or of all tenants' if none is named, in a fixed order.
    async fn hashes(&self, tenant: Option<&TenantName>, page: &PageRequest) -> Result<Page<HashEntry>, StoreError>;
}

/// Whose standing is asked for.
#[derive(Debug, Clone, Copy)]
pub struct StandingQuery<'a> {
    /// The tenant.
    pub tenant: &'a TenantName,
    /// The subject, if there is one of the name that was asked for.
    pub subject: Option<SubjectId>,
    /// The pair that attempts are counted for.
    pub pair: &'a Pair,
    /// The client token of the request, if it has one.
    pub token: Option<&'a ClientTokenKey>,
}

/// What an attempt on a password is decided on.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The settings of the tenant, and its candidate.
    pub policies: TenantPolicies,
    /// The subject's credential, if it has one.
    pub credential: Option<Credential>,
    /// The wrong passwords in a row of the pair.
    pub failures: StoredFailures,
    /// The change that is remembered under the client token, even if its window is over.
    pub remembered: Option<RememberedChange>,
}

/// A password to be set.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The subject.
    pub subject: SubjectId,
    /// The version that the change was decided on; `None` if there was no password.
    pub expected: Option<Version>,
    /// The hash of the new password.
    pub hash: StoredHash,
    /// The time of the change.
    pub at: Timestamp,
    /// Who set the password.
    pub changed_by: ChangedBy,
    /// The change's id.
    pub change_id: ChangeId,
    /// How many earlier hashes are kept, including the one that is replaced.
    pub keep_history: u32,
    /// Whether the replaced password stays valid for the length of the subject's overlaps. Its hash is then kept.
    pub begins_overlap: bool,
    /// What the change is remembered under, if its caller asks for that. It replaces what was remembered there.
    pub remember: Option<(ClientTokenKey, RememberedChange)>,
    /// The failures that are forgotten with the change.
    pub forget: Option<Forget>,
    /// The passwords that are delivered if the subject's instance has an endpoint.
    pub deliver: Option<Sealed>,
    /// The authority of the change, with the audit event.
    pub authority: Authority,
    /// Whether the subject's access tokens end with the change, except the one that its caller was authenticated by.
    pub ends_tokens: bool,
    /// Until when the caller waits for the outcome; without a waiting caller, the store's own time limit applies.
    pub deadline: Option<Deadline>,
}

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The password is set; the credential is at this version.
    Committed(Version),
    /// Another change was first: the credential is at this version now.
    VersionMoved(Option<Version>),
    /// The subject was deleted.
    SubjectGone,
}
