//! Tenants.

use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::tenant::{Tenant, TenantId};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Creates a tenant.
    pub async fn create_tenant(&self, call: Call, name: TenantName) -> Result<Tenant, ServiceError> {
        let tenants = self.gates.tenants(call).await?;
        let tenant = Tenant { id: TenantId(self.gates.new_id()), name, created_at: self.gates.now() };
        tenants.create(&tenant).await?;
        Ok(tenant)
    }

    /// Describes a tenant.
    pub async fn describe_tenant(&self, call: Call, name: TenantName) -> Result<Tenant, ServiceError> {
        self.gates.directory(call, name).await?.tenant().await
    }

    /// Lists the tenants, in the order of their names.
    pub async fn list_tenants(&self, call: Call, page: PageRequest) -> Result<Page<Tenant>, ServiceError> {
        self.gates.tenants(call).await?.list(&page).await
    }

    /// Deletes an empty tenant, with its settings and access tokens.
    pub async fn delete_tenant(&self, call: Call, name: TenantName) -> Result<(), ServiceError> {
        self.gates.tenants(call).await?.delete(&name).await
    }
}
