//! Instances.

use crate::domain::audit_event::AuditOutcome;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{Instance, InstanceStatus};
use crate::ports::store::{Creation, Deletion};
use crate::service::error::Missing;
use crate::service::requests::InstanceToCreate;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Creates an instance.
    pub async fn create_instance(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        request: InstanceToCreate,
    ) -> Result<Instance, ServiceError> {
        let permit = self.permit_tenant(call, tenant).await?;
        let InstanceToCreate { id, region, status } = request;
        let region = region.unwrap_or_else(|| self.gates.default_region().clone());
        let instance = Instance { id, region, status, created_at: self.gates.now() };
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        match self.gates.directory(&permit)?.create_instance(&instance, &authority).await? {
            Creation::Created => Ok(instance),
            Creation::AlreadyExists => Err(ServiceError::AlreadyExists),
            Creation::TenantAbsent | Creation::InstanceAbsent => Err(ServiceError::NotFound(Missing::Tenant)),
        }
    }

    /// Describes an instance.
    pub async fn describe_instance(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: InstanceId,
    ) -> Result<Instance, ServiceError> {
        let permit = self.permit_tenant(call, tenant).await?;
        self.gates.directory(&permit)?.instance(&id).await
    }

    /// Lists the instances of a tenant, in the order of their ids.
    pub async fn list_instances(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        page: PageRequest,
    ) -> Result<Page<Instance>, ServiceError> {
        let permit = self.permit_tenant(call, tenant).await?;
        Ok(self.gates.directory(&permit)?.instances(&page).await?)
    }

    /// Sets the state of an instance.
    pub async fn set_instance_status(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: InstanceId,
        status: InstanceStatus,
    ) -> Result<Instance, ServiceError> {
        let permit = self.permit_tenant(call, tenant).await?;
        let directory = self.gates.directory(&permit)?;
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        directory.set_instance_status(&id, status, &authority).await?;
        directory.instance(&id).await
    }

    /// Deletes an instance that has no accounts.
    pub async fn delete_instance(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: InstanceId,
    ) -> Result<(), ServiceError> {
        let permit = self.permit_tenant(call, tenant).await?;
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        match self.gates.directory(&permit)?.delete_instance(&id, &authority).await? {
            Deletion::Deleted => Ok(()),
            Deletion::Absent => Err(ServiceError::NotFound(Missing::Instance)),
            Deletion::NotEmpty => Err(ServiceError::NotEmpty),
        }
    }
}
