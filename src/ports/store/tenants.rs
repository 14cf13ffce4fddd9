//! Tenants and their settings.

use async_trait::async_trait;

use super::{Authority, Creation, Deletion, StoreError};
use crate::domain::candidate_policy::{CandidateStep, Comparisons, TenantPolicies};
use crate::domain::credential::Version;
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::tenant::{Tenant, TenantId};
use crate::domain::tenant_settings::TenantSettings;

/// Tenants and their settings. Every write records its audit event in the same transaction; a call that changes nothing
/// records nothing.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant.
    async fn create_tenant(&self, tenant: &Tenant, authority: &Authority) -> Result<Creation, StoreError>;

    /// A tenant, or `None` if no tenant has that name.
    async fn tenant(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError>;

    /// Tenants in the order of their names.
    async fn tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError>;

    /// Removes a tenant that has no subjects and no instances, with its settings. From then on its access tokens prove
    /// nothing and no call finds its events; [`Upkeep`](super::Upkeep) removes their rows later.
    async fn delete_tenant(&self, name: &TenantName, authority: &Authority) -> Result<Deletion, StoreError>;

    /// The settings of a tenant and its candidate, or `None` if the tenant does not exist. MUST return the settings also
    /// if the candidate can't be read.
    async fn tenant_policies(&self, tenant: &TenantName) -> Result<Option<TenantPolicies>, StoreError>;

    /// The same, with how the candidate compares with the policies in force since it was set.
    async fn compared_policies(&self, tenant: &TenantName)
    -> Result<Option<(TenantPolicies, Comparisons)>, StoreError>;

    /// The settings of a tenant, or `None` if the tenant does not exist.
    async fn settings(&self, tenant: &TenantName) -> Result<Option<TenantSettings>, StoreError> {
        Ok(self.tenant_policies(tenant).await?.map(|policies| policies.settings))
    }

    /// Replaces a tenant's settings if they still equal `expected`. Returns whether they did.
    async fn replace_settings(
        &self,
        tenant: &TenantName,
        expected: &TenantSettings,
        settings: &TenantSettings,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Takes a step with a tenant's candidate, if its version is `expected`; `None` expects no candidate. Returns the next
    /// version if the step was taken: each one gives one, so that a version never returns.
    async fn change_candidate(
        &self,
        tenant: &TenantName,
        expected: Option<Version>,
        step: &CandidateStep,
        authority: &Authority,
    ) -> Result<Option<Version>, StoreError>;

    /// Adds counts to those of a tenant's candidate. Does nothing if the candidate has another version by now. For upkeep:
    /// it records no event. MUST NOT add them twice: if it is unknown whether they were added, it says so.
    async fn add_comparisons(
        &self,
        tenant: TenantId,
        version: Version,
        counted: &Comparisons,
    ) -> Result<(), StoreError>;
}
