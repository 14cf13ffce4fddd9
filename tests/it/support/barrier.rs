//! A store that misbehaves on purpose.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use credentiald::domain::access_token::{AccessToken, AccessTokenStatus, NonceKey, TokenDigest, TokenId};
use credentiald::domain::attempts::{Backoff, Forget, Pair, PairFailures, StoredFailures};
use credentiald::domain::audit_chain::Cut;
use credentiald::domain::audit_event::AuditEvent;
use credentiald::domain::audit_filter::AuditFilter;
use credentiald::domain::candidate_policy::{CandidateStep, Comparisons, TenantPolicies};
use credentiald::domain::change_event::{ChangeEvent, Position};
use credentiald::domain::credential::{Credential, HashDigest, Revision, StoredHash, Version};
use credentiald::domain::delivery::{DeliveryBacklog, DeliveryState, DeliveryStep, DueDelivery, DueInstances};
use credentiald::domain::endpoint::StoredEndpoint;
use credentiald::domain::names::{InstanceId, TenantName};
use credentiald::domain::overlap::{OverlapState, PasswordUse};
use credentiald::domain::page::{CountedPage, CountedPageRequest, Page, PageRequest};
use credentiald::domain::subject::{Instance, InstanceStatus, SubjectId, SubjectKind, SubjectName};
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::domain::tenant_settings::TenantSettings;
use credentiald::domain::time::Timestamp;
use credentiald::ports::store::{
    AccessTokens, Attempts, AuditEventPage, AuditLog, AuditRange, Authority, ChangeEventPage, ChangeEvents, Commit,
    CommitOutcome, Creation, Credentials, Deletion, Deliveries, FoundKey, FoundSubject, HashEntry, ImportedSubject,
    Imports, Instances, Lookup, NewSubject, Numbered, Overlaps, Standing, StandingQuery, SubjectEntry, SubjectStatus,
    Subjects, Tenants, TokenInsertion, TokenProof, Upkeep,
};
use credentiald::ports::{AuditSealer, Evidence, Store, StoreError};
use tokio::sync::{Barrier, watch};
use uuid::Uuid;

/// While armed, the first `credential`, `standing` or `subjects` of each caller waits until all have called it, or each
/// commit fails.
pub struct BarrierStore {
    store: Arc<dyn Store>,
    barrier: Option<Barrier>,
    armed: Arc<AtomicBool>,
    failure: CommitFailure,
    /// How many calls have come to where they are counted.
    reached: watch::Sender<u32>,
    calls: Calls,
}

/// How a commit fails.
#[derive(Debug, Clone, Copy, Default)]
pub enum CommitFailure {
    /// Nothing is changed, and the store says so.
    #[default]
    Unavailable,
    /// The store is lost before the change is made.
    LostBefore,
    /// The store is lost after it.
    LostAfter,
}

/// How often each method was called, by its name.
pub type Calls = Arc<Mutex<BTreeMap<&'static str, usize>>>;

impl BarrierStore {
    /// A store that behaves, and counts.
    pub fn counting(store: Arc<dyn Store>, calls: &Calls) -> Self {
        Self { calls: Arc::clone(calls), ..Self::refusing_commits(store, Arc::default()) }
    }

    fn count(&self, method: &'static str) {
        *self.calls.lock().unwrap().entry(method).or_default() += 1;
    }

    /// Waits for the others, where that is armed.
    async fn meet(&self) {
        if let Some(barrier) = &self.barrier
            && self.armed.load(Ordering::SeqCst)
        {
            self.reached.send_modify(|count| *count += 1);
            if barrier.wait().await.is_leader() {
                self.armed.store(false, Ordering::SeqCst);
            }
        }
    }

    pub fn new(store: Arc<dyn Store>, callers: usize, armed: Arc<AtomicBool>) -> Self {
        Self {
            store,
            barrier: Some(Barrier::new(callers)),
            armed,
            failure: CommitFailure::default(),
            reached: watch::Sender::default(),
            calls: Calls::default(),
        }
    }

    /// The same, and counts those who wait.
    pub fn counting_those_who_wait(
        store: Arc<dyn Store>,
        callers: usize,
        armed: Arc<AtomicBool>,
        reached: watch::Sender<u32>,
    ) -> Self {
        Self { reached, ..Self::new(store, callers, armed) }
    }

    pub fn refusing_commits(store: Arc<dyn Store>, armed: Arc<AtomicBool>) -> Self {
        Self::failing_commits(store, armed, CommitFailure::Unavailable)
    }

    pub fn failing_commits(store: Arc<dyn Store>, armed: Arc<AtomicBool>, failure: CommitFailure) -> Self {
        Self { store, barrier: None, armed, failure, reached: watch::Sender::default(), calls: Calls::default() }
    }

    /// Counts the tokens that were looked up: so many calls were let through, or refused, by their headers.
    pub fn counting_callers(store: Arc<dyn Store>, reached: watch::Sender<u32>) -> Self {
        Self { reached, ..Self::refusing_commits(store, Arc::default()) }
    }
}

/// Passes every method on.
macro_rules! pass_on {
    ($(#[$attribute:meta])* $trait:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $returns:ty;)+ } $($own:tt)*) => {
        #[async_trait]
        impl $trait for BarrierStore {
            $(
                async fn $name(&self, $($argument: $type),*) -> Result<$returns, StoreError> {
                    self.count(stringify!($name));
                    self.store.$name($($argument),*).await
                }
            )+
            $($own)*
        }
    };
}

pass_on! {
    Credentials {
        fn replace_hash(subject: SubjectId, revision: Revision, hash: &StoredHash, replaced: HashDigest) -> bool;
        fn take_over(subject: SubjectId, revision: Revision, hash: &StoredHash, authority: &Authority) -> bool;
        fn hashes(tenant: Option<&TenantName>, page: &PageRequest) -> Page<HashEntry>;
    }
    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError> {
        self.count("credential");
        let credential = self.store.credential(subject).await;
        self.meet().await;
        credential
    }

    async fn standing(&self, of: &StandingQuery<'_>) -> Result<Option<Standing>, StoreError> {
        self.count("standing");
        let standing = self.store.standing(of).await;
        self.meet().await;
        standing
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        self.count("commit");
        if self.barrier.is_some() || !self.armed.load(Ordering::SeqCst) {
            return self.store.commit(commit).await;
        }
        match self.failure {
            CommitFailure::Unavailable => return Err(StoreError::Unavailable("no commit is made".into())),
            CommitFailure::LostBefore => {}
            CommitFailure::LostAfter => {
                self.store.commit(commit).await?;
            }
        }
        Err(StoreError::OutcomeUnknown("the store is lost".into()))
    }
}

pass_on! {
    Tenants {
        fn create_tenant(tenant: &Tenant, authority: &Authority) -> Creation;
        fn tenant(name: &TenantName) -> Option<Tenant>;
        fn tenants(page: &PageRequest) -> Page<Tenant>;
        fn delete_tenant(name: &TenantName, authority: &Authority) -> Deletion;
        fn tenant_policies(tenant: &TenantName) -> Option<TenantPolicies>;
        fn compared_policies(tenant: &TenantName) -> Option<(TenantPolicies, Comparisons)>;
        fn replace_settings(tenant: &TenantName, old: &TenantSettings, new: &TenantSettings, authority: &Authority) -> bool;
        fn change_candidate(tenant: &TenantName, old: Option<Version>, step: &CandidateStep, authority: &Authority) -> Option<Version>;
        fn add_comparisons(tenant: TenantId, version: Version, counted: &Comparisons) -> ();
    }
}

pass_on! {
    Instances {
        fn create_instance(tenant: &TenantName, instance: &Instance, authority: &Authority) -> Creation;
        fn instance(tenant: &TenantName, id: &InstanceId) -> Option<Instance>;
        fn instances(tenant: &TenantName, page: &PageRequest) -> Page<Instance>;
        fn set_instance_status(tenant: &TenantName, id: &InstanceId, status: InstanceStatus, authority: &Authority) -> bool;
        fn delete_instance(tenant: &TenantName, id: &InstanceId, authority: &Authority) -> Deletion;
    }
}

pass_on! {
    Subjects {
        fn look_up(tenant: &TenantName, name: &SubjectName) -> Lookup;
        fn look_up_for(evidence: &Evidence, at: Timestamp, tenant: &TenantName, name: &SubjectName) -> Lookup;
        fn create_subject(new: &NewSubject, authority: &Authority) -> Creation;
        fn subject(tenant: &TenantName, name: &SubjectName) -> Option<SubjectEntry>;
        fn accounts(tenant: &TenantName, instance: &InstanceId, containing: &str, page: CountedPageRequest) -> CountedPage<SubjectEntry>;
        fn set_subject_status(tenant: &TenantName, name: &SubjectName, status: SubjectStatus, authority: &Authority) -> bool;
        fn delete_subject(tenant: &TenantName, name: &SubjectName, authority: &Authority) -> Deletion;
    }
    async fn subjects(
        &self,
        tenant: &TenantName,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, StoreError> {
        self.count("subjects");
        self.meet().await;
        self.store.subjects(tenant, kind, instance, page).await
    }
}

pass_on! {
    Attempts {
        fn failures(pair: &Pair) -> StoredFailures;
        fn record_failure(pair: &Pair, at: Timestamp, limit: &Backoff, event: &AuditEvent) -> ();
        fn restart_waits(pair: &Pair, now: Timestamp) -> ();
        fn forget_failures(pair: &Pair) -> ();
        fn clear_failures(of: &Forget, authority: &Authority) -> bool;
        fn pairs_with_failures(subject: &Pair, page: &PageRequest) -> Page<PairFailures>;
    }
}

pass_on! {
    AuditLog {
        fn record(event: &AuditEvent) -> ();
        fn close_audit_range(now: Timestamp, sealer: &dyn AuditSealer) -> bool;
        fn audit_events(filter: &AuditFilter, after: Position, most: u32) -> AuditEventPage;
        fn audit_position_before(time: Timestamp) -> Position;
        fn audit_cut() -> Cut;
        fn audit_range(after: Position) -> Option<AuditRange>;
        fn remove_old_audit_events(before: Timestamp, sealer: &dyn AuditSealer) -> bool;
    }
}

pass_on! {
    ChangeEvents {
        fn number_change_events() -> Numbered;
        fn change_events(tenant: TenantId, after: Position, most: u32) -> ChangeEventPage;
        fn all_change_events(after: Position, most: u32) -> ChangeEventPage<(TenantId, Option<ChangeEvent>)>;
        fn purge_change_events(before: Timestamp) -> bool;
    }
}

pass_on! {
    Deliveries {
        fn set_endpoint(tenant: &TenantName, instance: &InstanceId, endpoint: &StoredEndpoint, authority: &Authority) -> bool;
        fn delete_endpoint(tenant: &TenantName, instance: &InstanceId, authority: &Authority) -> bool;
        fn deliveries_of(subjects: &[SubjectId]) -> Vec<(SubjectId, Result<DeliveryState, StoreError>)>;
        fn endpoint(tenant: &TenantName, instance: &InstanceId) -> Option<StoredEndpoint>;
        fn delivery(subject: SubjectId) -> Option<DeliveryState>;
        fn withdrawal(tenant: &TenantName, account: &SubjectName) -> Option<DeliveryState>;
        fn due_instances(now: Timestamp, most: u32) -> DueInstances;
        fn lease_endpoint(tenant: &TenantName, instance: &InstanceId, by: Uuid, now: Timestamp, until: Timestamp) -> Option<StoredEndpoint>;
        fn release_endpoint(tenant: &TenantName, instance: &InstanceId, by: Uuid, rests_until: Option<Timestamp>) -> ();
        fn due_deliveries(tenant: &TenantName, instance: &InstanceId, now: Timestamp, most: u32) -> Vec<Result<DueDelivery, StoreError>>;
        fn record_delivery(due: &DueDelivery, step: &DeliveryStep, by: Uuid, event: Option<&AuditEvent>) -> bool;
        fn delivery_backlog(most: u32) -> DeliveryBacklog;
    }
}

pass_on! {
    Upkeep {
        fn remove_old(now: Timestamp) -> bool;
        fn remove_old_failures(now: Timestamp, counted_for: Duration) -> bool;
        fn remove_spent_nonces(now: Timestamp) -> bool;
    }
}

pass_on! {
    Imports {
        fn look_up_all(names: &[(&TenantName, &SubjectName)]) -> Vec<FoundSubject>;
        fn import(subjects: &[ImportedSubject], authorities: &[Authority]) -> bool;
    }
}

pass_on! {
    AccessTokens {
        fn access_token_of(id: TokenId) -> Option<AccessToken>;
        fn next_expiry(after: Timestamp) -> Option<Timestamp>;
        fn access_key(id: TokenId, nonce: Option<&NonceKey>) -> Option<FoundKey>;
        fn note_key_use(id: TokenId, at: Timestamp) -> ();
        fn is_proven(evidence: &Evidence, at: Timestamp) -> bool;
        fn insert_access_token(token: &AccessToken, proof: TokenProof<'_>, authority: &Authority) -> TokenInsertion;
        fn set_access_token_status(tenant: Option<&TenantName>, id: TokenId, status: AccessTokenStatus, authority: &Authority) -> bool;
        fn bootstrap(token: &AccessToken, digest: &TokenDigest, event: &AuditEvent) -> bool;
        fn access_tokens(tenant: Option<&TenantName>, page: &PageRequest) -> Page<AccessToken>;
        fn delete_access_token(tenant: Option<&TenantName>, id: TokenId, authority: &Authority) -> bool;
    }
    async fn spend_nonce(&self, nonce: &NonceKey, until: Timestamp) -> Result<bool, StoreError> {
        self.count("spend_nonce");
        let spent = self.store.spend_nonce(nonce, until).await;
        // As if the answer to the commit had been lost.
        let is_lost = self.barrier.is_none() && self.armed.load(Ordering::SeqCst);
        if is_lost { Err(StoreError::OutcomeUnknown("the answer was lost".into())) } else { spent }
    }
    async fn access_token(&self, digest: &TokenDigest) -> Result<Option<AccessToken>, StoreError> {
        self.count("access_token");
        let found = self.store.access_token(digest).await;
        if self.barrier.is_none() {
            self.reached.send_modify(|count| *count += 1);
        }
        found
    }
}

pass_on! {
    Overlaps {
        fn set_overlap(subject: SubjectId, length: Duration, authority: &Authority) -> bool;
        fn end_overlap(subject: SubjectId, authority: &Authority) -> bool;
        fn overlap(subject: SubjectId, callers: u32) -> Option<OverlapState>;
        fn note_use(subject: SubjectId, version: Version, used: &PasswordUse) -> ();
    }
}
