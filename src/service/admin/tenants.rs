//! Tenants.

use crate::domain::audit_event::AuditOutcome;
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::resource::Resource;
use crate::domain::tenant::{Tenant, TenantId};
use crate::ports::store::{Creation, Deletion};
use crate::service::error::Missing;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Creates a tenant.
    pub async fn create_tenant(&self, call: Call, name: TenantName) -> Result<Tenant, ServiceError> {
        let permit = self.gates.permit(call, &Resource::Installation).await?;
        let tenant = Tenant { id: TenantId(self.gates.new_id()), name, created_at: self.gates.now() };
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        match self.gates.tenants(&permit).create_tenant(&tenant, &authority).await? {
            Creation::Created => Ok(tenant),
            Creation::AlreadyExists => Err(ServiceError::AlreadyExists),
            Creation::TenantAbsent | Creation::InstanceAbsent => {
                Err(ServiceError::Internal("a tenant belongs to nothing"))
            }
        }
    }

    /// Describes a tenant.
    pub async fn describe_tenant(&self, call: Call, name: TenantName) -> Result<Tenant, ServiceError> {
        let permit = self.gates.permit(call, &Resource::Tenant(name.clone())).await?;
        let tenant = self.gates.tenants(&permit).tenant(&name).await?;
        tenant.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// Lists the tenants, in the order of their names.
    pub async fn list_tenants(&self, call: Call, page: PageRequest) -> Result<Page<Tenant>, ServiceError> {
        let permit = self.gates.permit(call, &Resource::Installation).await?;
        Ok(self.gates.tenants(&permit).tenants(&page).await?)
    }

    /// Deletes an empty tenant, with its settings and access tokens.
    pub async fn delete_tenant(&self, call: Call, name: TenantName) -> Result<(), ServiceError> {
        let permit = self.gates.permit(call, &Resource::Installation).await?;
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        match self.gates.tenants(&permit).delete_tenant(&name, &authority).await? {
            Deletion::Deleted => Ok(()),
            Deletion::Absent => Err(ServiceError::NotFound(Missing::Tenant)),
            Deletion::NotEmpty => Err(ServiceError::NotEmpty),
        }
    }
}
