//! Instances.

use async_trait::async_trait;

use super::{Authority, Creation, Deletion, StoreError};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{Instance, InstanceStatus};

/// Instances. Every write records its audit event in the same transaction; a call that changes nothing records nothing.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Adds an instance.
    async fn create_instance(
        &self,
        tenant: &TenantName,
        instance: &Instance,
        authority: &Authority,
    ) -> Result<Creation, StoreError>;

    /// An instance, or `None` if the tenant has no instance of that id.
    async fn instance(&self, tenant: &TenantName, id: &InstanceId) -> Result<Option<Instance>, StoreError>;

    /// Instances of a tenant in the order of their ids.
    async fn instances(&self, tenant: &TenantName, page: &PageRequest) -> Result<Page<Instance>, StoreError>;

    /// Sets an instance's state. Returns whether the instance exists.
    async fn set_instance_status(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        status: InstanceStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Removes an instance that has no accounts.
    async fn delete_instance(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        authority: &Authority,
    ) -> Result<Deletion, StoreError>;
}
