//! A store that misbehaves on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use credentiald::domain::access_token::{AccessToken, TokenDigest, TokenId};
use credentiald::domain::attempts::{Backoff, Pair, StoredFailures};
use credentiald::domain::audit_event::AuditEvent;
use credentiald::domain::change_event::Position;
use credentiald::domain::client_token::{ClientTokenKey, RememberedChange};
use credentiald::domain::credential::{Credential, Revision, StoredHash, Version};
use credentiald::domain::names::{InstanceId, TenantName};
use credentiald::domain::overlap::{OverlapState, PasswordUse};
use credentiald::domain::page::{Page, PageRequest};
use credentiald::domain::settings::TenantSettings;
use credentiald::domain::subject::{Instance, InstanceStatus, SubjectId, SubjectKind, SubjectName};
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::domain::time::Timestamp;
use credentiald::ports::store::{
    AccessTokens, ChangeEventPage, ChangeEvents, Commit, CommitOutcome, Creation, Credentials, Deletion, Directory,
    FoundSubject, HashEntry, ImportedSubject, Imports, Lookup, NewSubject, Numbered, Overlaps, SubjectEntry,
    SubjectStatus, Upkeep,
};
use credentiald::ports::{Store, StoreError};
use tokio::sync::Barrier;

/// While armed, the first `credential` of each caller waits until all have called it, or no commit is made.
pub struct BarrierStore {
    store: Arc<dyn Store>,
    barrier: Option<Barrier>,
    armed: Arc<AtomicBool>,
}

impl BarrierStore {
    pub fn new(store: Arc<dyn Store>, callers: usize, armed: Arc<AtomicBool>) -> Self {
        Self { store, barrier: Some(Barrier::new(callers)), armed }
    }

    pub fn refusing_commits(store: Arc<dyn Store>, armed: Arc<AtomicBool>) -> Self {
        Self { store, barrier: None, armed }
    }
}

/// Passes every method on.
macro_rules! pass_on {
    ($(#[$attribute:meta])* $trait:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $returns:ty;)+ } $($own:tt)*) => {
        #[async_trait]
        impl $trait for BarrierStore {
            $(
                async fn $name(&self, $($argument: $type),*) -> Result<$returns, StoreError> {
                    self.store.$name($($argument),*).await
                }
            )+
            $($own)*
        }
    };
}

pass_on! {
    Credentials {
        fn look_up(tenant: &TenantName, name: &SubjectName) -> Lookup;
        fn tenant_settings(tenant: &TenantName) -> Option<(TenantId, TenantSettings)>;
        fn remembered(subject: SubjectId, token: &ClientTokenKey) -> Option<RememberedChange>;
        fn replace_hash(subject: SubjectId, revision: Revision, hash: &StoredHash) -> bool;
        fn hashes(tenant: Option<&TenantName>, page: &PageRequest) -> Page<HashEntry>;
        fn failures(pair: &Pair) -> StoredFailures;
        fn record_failure(pair: &Pair, at: Timestamp, limit: &Backoff, event: &AuditEvent) -> ();
        fn forget_failures(pair: &Pair) -> ();
        fn record(event: &AuditEvent) -> ();
    }
    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError> {
        let credential = self.store.credential(subject).await;
        if let Some(barrier) = &self.barrier
            && self.armed.load(Ordering::SeqCst)
            && barrier.wait().await.is_leader()
        {
            self.armed.store(false, Ordering::SeqCst);
        }
        credential
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        if self.barrier.is_none() && self.armed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("no commit is made".into()));
        }
        self.store.commit(commit).await
    }
}

pass_on! {
    Directory {
        fn create_tenant(tenant: &Tenant, event: &AuditEvent) -> Creation;
        fn tenant(name: &TenantName) -> Option<Tenant>;
        fn tenants(page: &PageRequest) -> Page<Tenant>;
        fn delete_tenant(name: &TenantName, event: &AuditEvent) -> Deletion;
        fn replace_settings(tenant: &TenantName, old: &TenantSettings, new: &TenantSettings, event: &AuditEvent) -> bool;
        fn create_instance(tenant: &TenantName, instance: &Instance, event: &AuditEvent) -> Creation;
        fn instance(tenant: &TenantName, id: &InstanceId) -> Option<Instance>;
        fn instances(tenant: &TenantName, page: &PageRequest) -> Page<Instance>;
        fn set_instance_status(tenant: &TenantName, id: &InstanceId, status: InstanceStatus, event: &AuditEvent) -> bool;
        fn delete_instance(tenant: &TenantName, id: &InstanceId, event: &AuditEvent) -> Deletion;
        fn create_subject(new: &NewSubject, event: &AuditEvent) -> Creation;
        fn subject(tenant: &TenantName, name: &SubjectName) -> Option<SubjectEntry>;
        fn subjects(tenant: &TenantName, kind: SubjectKind, instance: Option<&InstanceId>, page: &PageRequest) -> Page<SubjectEntry>;
        fn set_subject_status(tenant: &TenantName, name: &SubjectName, status: SubjectStatus, event: &AuditEvent) -> bool;
        fn delete_subject(tenant: &TenantName, name: &SubjectName, event: &AuditEvent) -> Deletion;
    }
}

pass_on! {
    ChangeEvents {
        fn number_change_events() -> Numbered;
        fn change_events(tenant: &TenantName, after: Position, most: u32) -> ChangeEventPage;
        fn purge_change_events(before: Timestamp) -> bool;
    }
}

pass_on! {
    Upkeep {
        fn remove_old(now: Timestamp) -> bool;
    }
}

pass_on! {
    Imports {
        fn look_up_all(names: &[(&TenantName, &SubjectName)]) -> Vec<FoundSubject>;
        fn import(subjects: &[ImportedSubject], events: &[AuditEvent]) -> bool;
    }
}

pass_on! {
    AccessTokens {
        fn access_token(digest: &TokenDigest) -> Option<AccessToken>;
        fn insert_access_token(token: &AccessToken, digest: &TokenDigest, event: &AuditEvent) -> bool;
        fn bootstrap(token: &AccessToken, digest: &TokenDigest, event: &AuditEvent) -> bool;
        fn access_tokens(tenant: Option<&TenantName>, page: &PageRequest) -> Page<AccessToken>;
        fn delete_access_token(tenant: Option<&TenantName>, id: TokenId, event: &AuditEvent) -> bool;
    }
}

pass_on! {
    Overlaps {
        fn set_overlap(subject: SubjectId, length: Duration, event: &AuditEvent) -> bool;
        fn end_overlap(subject: SubjectId, event: &AuditEvent) -> bool;
        fn overlap(subject: SubjectId, callers: u32) -> Option<OverlapState>;
        fn note_use(subject: SubjectId, version: Version, used: &PasswordUse) -> ();
    }
}
