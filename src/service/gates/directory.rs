//! What a permit is for: one tenant, or all of them. Another tenant can't be named through it, and what it writes, it
//! writes under the permit's own authority.

use super::{Gates, Permit};
use crate::domain::access_token::{AccessToken, AccessTokenStatus, TokenId};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::caller::{Caller, CallerKind};
use crate::domain::candidate_policy::{CandidateStep, Comparisons, TenantPolicies};
use crate::domain::credential::Version;
use crate::domain::denial::Denial;
use crate::domain::endpoint::{Endpoint, StoredEndpoint};
use crate::domain::named_caller::Member;
use crate::domain::names::{AuthorizationMessage, InstanceId, TenantName};
use crate::domain::page::{CountedPage, CountedPageRequest, Page, PageRequest};
use crate::domain::password::Password;
use crate::domain::resource::Resource;
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::{Instance, InstanceStatus, Subject, SubjectKind};
use crate::domain::tenant::{Tenant, TenantId};
use crate::domain::tenant_settings::TenantSettings;
use crate::ports::store::{Authority, Creation, Deletion, SubjectEntry, TokenInsertion, TokenProof};
use crate::ports::{Store, StoreError};
use crate::service::error::Missing;
use crate::service::requests::{DescribedSubject, HashPosture};
use crate::service::{Call, ServiceError};

/// What a permit is for.
pub(in crate::service) struct Permitted<'a, Of> {
    gates: &'a Gates,
    permit: Permit,
    of: Of,
}

/// A tenant that exists, with its instances, subjects and settings.
pub(in crate::service) type Directory<'a> = Permitted<'a, OneTenant>;
/// All tenants.
pub(in crate::service) type Tenants<'a> = Permitted<'a, AllTenants>;
/// One tenant, or all of them and what belongs to none.
pub(in crate::service) type Scope<'a> = Permitted<'a, Option<TenantName>>;

/// The id and the name of a tenant that exists.
pub(in crate::service) struct OneTenant {
    id: TenantId,
    name: TenantName,
}

/// All tenants.
pub(in crate::service) struct AllTenants;

impl Gates {
    /// Opens a tenant for a permitted caller, who learns whether the tenant exists.
    pub(in crate::service) async fn directory(
        &self,
        call: Call,
        tenant: TenantName,
    ) -> Result<Directory<'_>, ServiceError> {
        let permit = self.permit(call, &Resource::Tenant(tenant)).await?;
        let found = permit.tenant().zip(permit.tenant_name().cloned());
        let (id, name) = found.ok_or(ServiceError::NotFound(Missing::Tenant))?;
        Ok(Permitted { gates: self, permit, of: OneTenant { id, name } })
    }

    /// Opens all tenants for a permitted caller.
    pub(in crate::service) async fn tenants(&self, call: Call) -> Result<Tenants<'_>, ServiceError> {
        Ok(Permitted { gates: self, permit: self.permit(call, &Resource::Installation).await?, of: AllTenants })
    }
}

impl<Of> Permitted<'_, Of> {
    fn store(&self) -> &dyn Store {
        self.gates.ports.store.as_ref()
    }

    pub(super) fn gates(&self) -> &Gates {
        self.gates
    }

    /// Fails once the call's deadline has passed.
    pub(super) fn check_deadline(&self) -> Result<(), ServiceError> {
        self.gates.check_deadline(&self.permit)
    }

    fn authority(&self) -> Authority {
        self.gates.authority(&self.permit, AuditOutcome::Done)
    }
}

impl<'a> From<Directory<'a>> for Scope<'a> {
    fn from(Permitted { gates, permit, of }: Directory<'a>) -> Self {
        Self { gates, permit, of: Some(of.name) }
    }
}

impl<'a> From<Tenants<'a>> for Scope<'a> {
    fn from(Permitted { gates, permit, of: AllTenants }: Tenants<'a>) -> Self {
        Self { gates, permit, of: None }
    }
}

impl Directory<'_> {
    pub(in crate::service) fn id(&self) -> TenantId {
        self.of.id
    }

    pub(in crate::service) async fn tenant(&self) -> Result<Tenant, ServiceError> {
        self.store().tenant(&self.of.name).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    pub(in crate::service) async fn settings(&self) -> Result<TenantSettings, ServiceError> {
        self.store().settings(&self.of.name).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// The settings and the candidate.
    pub(in crate::service) async fn policies(&self) -> Result<TenantPolicies, ServiceError> {
        self.store().tenant_policies(&self.of.name).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// The same, with how the candidate compares as far as that is stored.
    pub(super) async fn compared_policies(&self) -> Result<(TenantPolicies, Comparisons), ServiceError> {
        self.store().compared_policies(&self.of.name).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// Returns the next version if the candidate had the expected one, or was absent as expected.
    pub(in crate::service) async fn change_candidate(
        &self,
        expected: Option<Version>,
        step: &CandidateStep,
    ) -> Result<Option<Version>, StoreError> {
        self.store().change_candidate(&self.of.name, expected, step, &self.authority()).await
    }

    /// Returns whether the settings were the expected ones.
    pub(in crate::service) async fn replace_settings(
        &self,
        expected: &TenantSettings,
        settings: &TenantSettings,
    ) -> Result<bool, StoreError> {
        self.store().replace_settings(&self.of.name, expected, settings, &self.authority()).await
    }

    pub(in crate::service) async fn create_instance(&self, instance: &Instance) -> Result<(), ServiceError> {
        created(self.store().create_instance(&self.of.name, instance, &self.authority()).await?)
    }

    pub(in crate::service) async fn instance(&self, id: &InstanceId) -> Result<Instance, ServiceError> {
        self.store().instance(&self.of.name, id).await?.ok_or(ServiceError::NotFound(Missing::Instance))
    }

    pub(in crate::service) async fn instances(&self, page: &PageRequest) -> Result<Page<Instance>, ServiceError> {
        Ok(self.store().instances(&self.of.name, page).await?)
    }

    pub(in crate::service) async fn set_instance_status(
        &self,
        id: &InstanceId,
        status: InstanceStatus,
    ) -> Result<Instance, ServiceError> {
        self.store().set_instance_status(&self.of.name, id, status, &self.authority()).await?;
        self.instance(id).await
    }

    pub(in crate::service) async fn delete_instance(&self, id: &InstanceId) -> Result<(), ServiceError> {
        let outcome = self.store().delete_instance(&self.of.name, id, &self.authority()).await?;
        deleted(outcome, ServiceError::NotFound(Missing::Instance))
    }

    /// Checks what can be checked of an endpoint without its nodes.
    pub(in crate::service) fn check_endpoint(&self, endpoint: &Endpoint) -> Result<(), &'static str> {
        self.gates.ports.nodes.check(endpoint)
    }

    /// An endpoint as it is stored, or `None` without a pepper key.
    pub(in crate::service) fn sealed_endpoint(
        &self,
        endpoint: Endpoint,
        password: &Password,
    ) -> Option<StoredEndpoint> {
        let id = self.gates.new_id();
        let pepper = &self.gates.ports.pepper;
        let secret = pepper.seal(SealPurpose::NodeCredential, &id.to_string(), password.expose())?;
        Some(StoredEndpoint { id, endpoint, secret, set_at: self.gates.now() })
    }

    pub(in crate::service) async fn set_endpoint(
        &self,
        id: &InstanceId,
        endpoint: &StoredEndpoint,
    ) -> Result<(), ServiceError> {
        let is_set = self.store().set_endpoint(&self.of.name, id, endpoint, &self.authority()).await?;
        self.gates.endpoint_is_set();
        is_set.then_some(()).ok_or(ServiceError::NotFound(Missing::Instance))
    }

    pub(in crate::service) async fn endpoint(&self, id: &InstanceId) -> Result<Option<StoredEndpoint>, ServiceError> {
        Ok(self.store().endpoint(&self.of.name, id).await?)
    }

    pub(in crate::service) async fn delete_endpoint(&self, id: &InstanceId) -> Result<(), ServiceError> {
        self.store().delete_endpoint(&self.of.name, id, &self.authority()).await?;
        Ok(())
    }

    /// The caller that a token of the member authenticates, bound to the subject if it is one.
    pub(in crate::service) async fn caller_of(&self, member: Member) -> Result<Caller, ServiceError> {
        let caller = self.gates.caller_of(&self.of.name, member).await?;
        caller.ok_or(ServiceError::NotFound(Missing::User))
    }

    pub(in crate::service) async fn subjects(
        &self,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<DescribedSubject>, ServiceError> {
        let Page { items, next } = self.entries(kind, instance, page).await?;
        Ok(Page { items: items.into_iter().map(|entry| self.gates.described(entry)).collect(), next })
    }

    /// The same, as they are stored.
    pub(super) async fn entries(
        &self,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, ServiceError> {
        Ok(self.store().subjects(&self.of.name, kind, instance, page).await?)
    }

    pub(in crate::service) async fn accounts(
        &self,
        instance: &InstanceId,
        containing: &str,
        page: CountedPageRequest,
    ) -> Result<CountedPage<Subject>, ServiceError> {
        let CountedPage { items, total } = self.store().accounts(&self.of.name, instance, containing, page).await?;
        Ok(CountedPage { items: items.into_iter().map(|entry| entry.subject).collect(), total })
    }
}

impl Tenants<'_> {
    pub(in crate::service) async fn create(&self, tenant: &Tenant) -> Result<(), ServiceError> {
        created(self.store().create_tenant(tenant, &self.authority()).await?)
    }

    pub(in crate::service) async fn list(&self, page: &PageRequest) -> Result<Page<Tenant>, ServiceError> {
        Ok(self.store().tenants(page).await?)
    }

    pub(in crate::service) async fn delete(&self, name: &TenantName) -> Result<(), ServiceError> {
        let outcome = self.store().delete_tenant(name, &self.authority()).await?;
        deleted(outcome, ServiceError::NotFound(Missing::Tenant))
    }
}

impl Scope<'_> {
    pub(in crate::service) async fn insert_token(
        &self,
        token: &AccessToken,
        proof: TokenProof<'_>,
    ) -> Result<TokenInsertion, ServiceError> {
        Ok(self.store().insert_access_token(token, proof, &self.authority()).await?)
    }

    /// Seals the secret of an access key, or returns `None` without a pepper key.
    pub(in crate::service) fn seal_secret(&self, token: &AccessToken, secret: &str) -> Option<Sealed> {
        self.gates.ports.pepper.seal(SealPurpose::AccessKeySecret, &token.seal_bound(), secret)
    }

    pub(in crate::service) async fn tokens(&self, page: &PageRequest) -> Result<Page<AccessToken>, ServiceError> {
        Ok(self.store().access_tokens(self.of.as_ref(), page).await?)
    }

    /// Returns whether the token existed.
    pub(in crate::service) async fn delete_token(&self, id: TokenId) -> Result<bool, ServiceError> {
        Ok(self.store().delete_access_token(self.of.as_ref(), id, &self.authority()).await?)
    }

    /// Returns whether the token existed.
    pub(in crate::service) async fn set_token_status(
        &self,
        id: TokenId,
        status: AccessTokenStatus,
    ) -> Result<bool, ServiceError> {
        Ok(self.store().set_access_token_status(self.of.as_ref(), id, status, &self.authority()).await?)
    }

    /// The token of that id, wherever it is: an operator may know.
    pub(in crate::service) async fn token(&self, id: TokenId) -> Result<Option<AccessToken>, ServiceError> {
        Ok(self.store().access_token_of(id).await?)
    }

    pub(in crate::service) fn is_by_operator(&self) -> bool {
        self.permit.call().caller().kind() == CallerKind::Operator
    }

    /// The refusal in a message for the tenant; of all tenants, in one that is for none.
    pub(in crate::service) async fn denial(&self, message: &AuthorizationMessage) -> Result<Denial, ServiceError> {
        self.gates.denial(&self.permit, message).await
    }

    /// Counts the current hashes by algorithm and parameters.
    pub(in crate::service) async fn hash_posture(&self) -> Result<HashPosture, ServiceError> {
        self.gates.hash_posture(&self.permit, self.of.as_ref()).await
    }
}

pub(super) fn created(outcome: Creation) -> Result<(), ServiceError> {
    match outcome {
        Creation::Created => Ok(()),
        Creation::AlreadyExists => Err(ServiceError::AlreadyExists),
        Creation::TenantAbsent => Err(ServiceError::NotFound(Missing::Tenant)),
        Creation::InstanceAbsent => Err(ServiceError::NotFound(Missing::Instance)),
    }
}

pub(super) fn deleted(outcome: Deletion, absent: ServiceError) -> Result<(), ServiceError> {
    match outcome {
        Deletion::Deleted => Ok(()),
        Deletion::Absent => Err(absent),
        Deletion::NotEmpty => Err(ServiceError::NotEmpty),
    }
}
