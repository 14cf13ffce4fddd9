//! The comparison of a tenant's candidate policy with the one in force. It enforces nothing, and keeps counts alone.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Mutex as Turn;

use super::{Directory, Gates};
use crate::domain::candidate_policy::{Comparisons, TenantPolicies};
use crate::domain::credential::Version;
use crate::domain::page::PageRequest;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_settings::{TenantSettings, UnreadableSettings};
use crate::policy::{Expiry, Policy};
use crate::ports::StoreError;
use crate::service::ServiceError;
use crate::service::requests::CandidateUsers;

/// Counts that are not stored yet, for each candidate.
#[derive(Default)]
pub(super) struct Pending {
    counts: Mutex<HashMap<(TenantId, Version), Comparisons>>,
    /// Why a candidate could not be compared since counts were stored the last time.
    unreadable: Mutex<Option<UnreadableSettings>>,
    /// Held while counts are stored, so that a reader waits for them.
    storing: Turn<()>,
}

impl Gates {
    /// Also judges a request about a subject's password by the candidate, if the tenant has one, and counts the outcome.
    /// `judge` returns the names of everything that refuses it.
    pub(in crate::service) fn compare(
        &self,
        policies: &TenantPolicies,
        subject: &Subject,
        judge: impl Fn(&TenantSettings, &Policy) -> Vec<&'static str>,
    ) {
        let Some(candidate) = policies.candidate else { return };
        if !matches!(subject.name.kind(), SubjectKind::RamUser | SubjectKind::IamUser) {
            return;
        }
        let adopted = match candidate.adopted(&policies.settings) {
            Ok(adopted) => adopted,
            Err(problem) => return *self.comparisons.unreadable.lock() = Some(problem),
        };
        let judged_by = |settings: &TenantSettings| judge(settings, &self.policy(subject, settings));
        let (in_force, candidates) = (judged_by(&policies.settings), judged_by(&adopted));
        let key = (policies.tenant, candidate.version);
        self.comparisons.counts.lock().entry(key).or_default().count(&in_force, &candidates);
    }

    /// Stores all counts. Those that the store does not take are kept for the next time. Reports a candidate that can't be
    /// read: it is compared with nothing, and stops no call.
    pub(in crate::service) async fn store_comparisons(&self) -> Result<(), ServiceError> {
        let candidates: Vec<_> = self.comparisons.counts.lock().keys().copied().collect();
        let unreadable = self.comparisons.unreadable.lock().take();
        let mut outcome = unreadable.map_or(Ok(()), |problem| Err(StoreError::from(problem).into()));
        for (tenant, version) in candidates {
            outcome = self.store_comparisons_of(tenant, version).await.and(outcome);
        }
        outcome
    }

    async fn store_comparisons_of(&self, tenant: TenantId, version: Version) -> Result<(), ServiceError> {
        let _turn = self.comparisons.storing.lock().await;
        let Some(counted) = self.comparisons.counts.lock().remove(&(tenant, version)) else { return Ok(()) };
        let stored = self.ports.store.add_comparisons(tenant, version, &counted).await;
        // What may have been added is not added again.
        if stored.as_ref().is_err_and(|error| !matches!(error, StoreError::OutcomeUnknown(_))) {
            self.comparisons.counts.lock().entry((tenant, version)).or_default().add(&counted);
        }
        Ok(stored?)
    }
}

impl Directory<'_> {
    /// The settings, the candidate and how it compares, with the counts of this process.
    pub(in crate::service) async fn compared(&self) -> Result<(TenantPolicies, Comparisons), ServiceError> {
        let TenantPolicies { tenant, candidate, .. } = self.policies().await?;
        if let Some(candidate) = candidate {
            self.gates().store_comparisons_of(tenant, candidate.version).await?;
        }
        self.compared_policies().await
    }

    /// Counts the users of a kind by what the age of their passwords means, a page at a time.
    pub(in crate::service) async fn users_by_age(
        &self,
        kind: SubjectKind,
        in_force: &TenantSettings,
        candidate: &TenantSettings,
    ) -> Result<CandidateUsers, ServiceError> {
        let now = self.gates().now();
        let mut users = CandidateUsers::default();
        let mut page = PageRequest { size: PageRequest::MAX_SIZE, after: None };
        loop {
            self.check_deadline()?;
            let found = self.entries(kind, None, &page).await?;
            for entry in &found.items {
                let Some(credential) = &entry.credential else { continue };
                let expiry =
                    |settings| self.gates().policy(&entry.subject, settings).lifetime().expiry_of(credential, now);
                users.count(expiry(in_force), expiry(candidate));
            }
            match found.next {
                Some(next) => page.after = Some(next),
                None => return Ok(users),
            }
        }
    }
}

impl CandidateUsers {
    fn count(&mut self, in_force: Expiry, candidate: Expiry) {
        self.users += 1;
        self.change_required += u64::from(candidate == Expiry::ChangeRequired);
        self.expired += u64::from(candidate == Expiry::Expired);
        self.change_required_now += u64::from(in_force == Expiry::ChangeRequired);
        self.expired_now += u64::from(in_force == Expiry::Expired);
    }
}
