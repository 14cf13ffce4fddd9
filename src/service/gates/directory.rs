//! What a permit opens: one tenant, or all of them. Another tenant can't be named through it, and what it writes, it
//! writes under the permit's own authority.

use super::{Gates, Permit};
use crate::domain::access_token::{AccessToken, TokenDigest, TokenId};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::resource::Resource;
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Instance, InstanceStatus, SubjectKind, SubjectName};
use crate::domain::tenant::{Tenant, TenantId};
use crate::ports::store::{Authority, Creation, Deletion, Lookup, SubjectEntry};
use crate::ports::{Store, StoreError};
use crate::service::error::Missing;
use crate::service::requests::HashPosture;
use crate::service::{Call, ServiceError};

/// A tenant that exists, with its instances, subjects and settings.
pub(in crate::service) struct Directory<'a> {
    opened: Opened<'a>,
    id: TenantId,
    name: TenantName,
}

/// All tenants.
pub(in crate::service) struct Tenants<'a>(Opened<'a>);

/// One tenant, or all of them.
pub(in crate::service) enum Scope<'a> {
    /// One tenant.
    One(Directory<'a>),
    /// All of them, and what belongs to none.
    All(Tenants<'a>),
}

struct Opened<'a> {
    gates: &'a Gates,
    permit: Permit,
}

impl Gates {
    /// Opens a tenant for a permitted caller, who learns whether the tenant exists.
    pub(in crate::service) async fn directory(
        &self,
        call: Call,
        tenant: TenantName,
    ) -> Result<Directory<'_>, ServiceError> {
        let permit = self.permit(call, &Resource::Tenant(tenant)).await?;
        let missing = ServiceError::NotFound(Missing::Tenant);
        let (id, name) = permit.tenant().zip(permit.tenant_name().cloned()).ok_or(missing)?;
        Ok(Directory { opened: Opened { gates: self, permit }, id, name })
    }

    /// Opens all tenants for a permitted caller.
    pub(in crate::service) async fn tenants(&self, call: Call) -> Result<Tenants<'_>, ServiceError> {
        let permit = self.permit(call, &Resource::Installation).await?;
        Ok(Tenants(Opened { gates: self, permit }))
    }
}

impl Opened<'_> {
    fn store(&self) -> &dyn Store {
        self.gates.ports.store.as_ref()
    }

    fn authority(&self) -> Authority {
        self.gates.authority(&self.permit, AuditOutcome::Done)
    }
}

impl Directory<'_> {
    pub(in crate::service) fn id(&self) -> TenantId {
        self.id
    }

    pub(in crate::service) fn name(&self) -> &TenantName {
        &self.name
    }

    pub(in crate::service) async fn tenant(&self) -> Result<Tenant, ServiceError> {
        self.opened.store().tenant(&self.name).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    pub(in crate::service) async fn settings(&self) -> Result<TenantSettings, ServiceError> {
        self.opened.store().settings(&self.name).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// Returns whether the settings were the expected ones.
    pub(in crate::service) async fn replace_settings(
        &self,
        expected: &TenantSettings,
        settings: &TenantSettings,
    ) -> Result<bool, StoreError> {
        self.opened.store().replace_settings(&self.name, expected, settings, &self.opened.authority()).await
    }

    pub(in crate::service) async fn create_instance(&self, instance: &Instance) -> Result<(), ServiceError> {
        created(self.opened.store().create_instance(&self.name, instance, &self.opened.authority()).await?)
    }

    pub(in crate::service) async fn instance(&self, id: &InstanceId) -> Result<Instance, ServiceError> {
        self.opened.store().instance(&self.name, id).await?.ok_or(ServiceError::NotFound(Missing::Instance))
    }

    pub(in crate::service) async fn instances(&self, page: &PageRequest) -> Result<Page<Instance>, ServiceError> {
        Ok(self.opened.store().instances(&self.name, page).await?)
    }

    pub(in crate::service) async fn set_instance_status(
        &self,
        id: &InstanceId,
        status: InstanceStatus,
    ) -> Result<Instance, ServiceError> {
        self.opened.store().set_instance_status(&self.name, id, status, &self.opened.authority()).await?;
        self.instance(id).await
    }

    pub(in crate::service) async fn delete_instance(&self, id: &InstanceId) -> Result<(), ServiceError> {
        let outcome = self.opened.store().delete_instance(&self.name, id, &self.opened.authority()).await?;
        deleted(outcome, ServiceError::NotFound(Missing::Instance))
    }

    pub(in crate::service) async fn look_up(&self, name: &SubjectName) -> Result<Lookup, ServiceError> {
        Ok(self.opened.store().look_up(&self.name, name).await?)
    }

    pub(in crate::service) async fn subjects(
        &self,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, ServiceError> {
        Ok(self.opened.store().subjects(&self.name, kind, instance, page).await?)
    }
}

impl Tenants<'_> {
    pub(in crate::service) async fn create(&self, tenant: &Tenant) -> Result<(), ServiceError> {
        created(self.0.store().create_tenant(tenant, &self.0.authority()).await?)
    }

    pub(in crate::service) async fn list(&self, page: &PageRequest) -> Result<Page<Tenant>, ServiceError> {
        Ok(self.0.store().tenants(page).await?)
    }

    pub(in crate::service) async fn delete(&self, name: &TenantName) -> Result<(), ServiceError> {
        let outcome = self.0.store().delete_tenant(name, &self.0.authority()).await?;
        deleted(outcome, ServiceError::NotFound(Missing::Tenant))
    }
}

impl Scope<'_> {
    fn opened(&self) -> &Opened<'_> {
        match self {
            Self::One(directory) => &directory.opened,
            Self::All(tenants) => &tenants.0,
        }
    }

    fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::One(directory) => Some(&directory.name),
            Self::All(_) => None,
        }
    }

    /// Returns whether the tenant and the subject of the token still exist.
    pub(in crate::service) async fn insert_token(
        &self,
        token: &AccessToken,
        digest: &TokenDigest,
    ) -> Result<bool, ServiceError> {
        let opened = self.opened();
        Ok(opened.store().insert_access_token(token, digest, &opened.authority()).await?)
    }

    pub(in crate::service) async fn tokens(&self, page: &PageRequest) -> Result<Page<AccessToken>, ServiceError> {
        Ok(self.opened().store().access_tokens(self.tenant(), page).await?)
    }

    /// Returns whether the token existed.
    pub(in crate::service) async fn delete_token(&self, id: TokenId) -> Result<bool, ServiceError> {
        let opened = self.opened();
        Ok(opened.store().delete_access_token(self.tenant(), id, &opened.authority()).await?)
    }

    /// Whether there is a token of that id anywhere: an operator may know.
    pub(in crate::service) async fn token_exists(&self, id: TokenId) -> Result<bool, ServiceError> {
        Ok(self.opened().store().access_token_of(id).await?.is_some())
    }

    /// Counts the current hashes by algorithm and parameters.
    pub(in crate::service) async fn hash_posture(&self) -> Result<HashPosture, ServiceError> {
        let Opened { gates, permit } = self.opened();
        gates.hash_posture(permit, self.tenant()).await
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
