//! Instances.

use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{Instance, InstanceStatus};
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
        let directory = self.directory(call, tenant).await?;
        let InstanceToCreate { id, region, status } = request;
        let region = region.unwrap_or_else(|| self.gates.default_region().clone());
        let instance = Instance { id, region, status, created_at: self.gates.now() };
        directory.create_instance(&instance).await?;
        Ok(instance)
    }

    /// Describes an instance.
    pub async fn describe_instance(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: InstanceId,
    ) -> Result<Instance, ServiceError> {
        self.directory(call, tenant).await?.instance(&id).await
    }

    /// Lists the instances of a tenant, in the order of their ids.
    pub async fn list_instances(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        page: PageRequest,
    ) -> Result<Page<Instance>, ServiceError> {
        self.directory(call, tenant).await?.instances(&page).await
    }

    /// Sets the state of an instance.
    pub async fn set_instance_status(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: InstanceId,
        status: InstanceStatus,
    ) -> Result<Instance, ServiceError> {
        self.directory(call, tenant).await?.set_instance_status(&id, status).await
    }

    /// Deletes an instance that has no accounts.
    pub async fn delete_instance(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: InstanceId,
    ) -> Result<(), ServiceError> {
        self.directory(call, tenant).await?.delete_instance(&id).await
    }
}
