//! Tenants, instances and subjects.

mod instances;
pub(super) mod subjects;
mod tenants;

use async_trait::async_trait;

use super::rows::Read;
use super::{Row, SqlStore, Transaction, sql};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Instance, InstanceStatus, SubjectKind, SubjectName};
use crate::domain::tenant::Tenant;
use crate::ports::StoreError;
use crate::ports::store::{Authority, Creation, Deletion, Directory, NewSubject, SubjectEntry, SubjectStatus};

#[async_trait]
impl Directory for SqlStore {
    async fn create_tenant(&self, tenant: &Tenant, authority: &Authority) -> Result<Creation, StoreError> {
        self.transact_and_record("create_tenant", authority, &|transaction| {
            Box::pin(tenants::insert(transaction, tenant))
        })
        .await
    }

    async fn tenant(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
        tenants::find(self, name).await
    }

    async fn tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError> {
        tenants::list(self, page).await
    }

    async fn delete_tenant(&self, name: &TenantName, authority: &Authority) -> Result<Deletion, StoreError> {
        self.transact_and_record("delete_tenant", authority, &|transaction| {
            Box::pin(tenants::delete(transaction, name))
        })
        .await
    }

    async fn replace_settings(
        &self,
        tenant: &TenantName,
        expected: &TenantSettings,
        settings: &TenantSettings,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.transact_and_record("replace_settings", authority, &|transaction| {
            Box::pin(tenants::replace_settings(transaction, tenant, expected, settings))
        })
        .await
    }

    async fn create_instance(
        &self,
        tenant: &TenantName,
        instance: &Instance,
        authority: &Authority,
    ) -> Result<Creation, StoreError> {
        self.transact_and_record("create_instance", authority, &|transaction| {
            Box::pin(instances::insert(transaction, tenant, instance))
        })
        .await
    }

    async fn instance(&self, tenant: &TenantName, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        instances::find(self, tenant, id).await
    }

    async fn instances(&self, tenant: &TenantName, page: &PageRequest) -> Result<Page<Instance>, StoreError> {
        instances::list(self, tenant, page).await
    }

    async fn set_instance_status(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        status: InstanceStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.transact_and_record("set_instance_status", authority, &|transaction| {
            Box::pin(instances::set_status(transaction, tenant, id, status))
        })
        .await
    }

    async fn delete_instance(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        self.transact_and_record("delete_instance", authority, &|transaction| {
            Box::pin(instances::delete(transaction, tenant, id))
        })
        .await
    }

    async fn create_subject(&self, new: &NewSubject, authority: &Authority) -> Result<Creation, StoreError> {
        self.transact_and_record("create_subject", authority, &|transaction| {
            Box::pin(subjects::insert(transaction, new))
        })
        .await
    }

    async fn subject(&self, tenant: &TenantName, name: &SubjectName) -> Result<Option<SubjectEntry>, StoreError> {
        subjects::find(self, tenant, name).await
    }

    async fn subjects(
        &self,
        tenant: &TenantName,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, StoreError> {
        subjects::list(self, tenant, kind, instance, page).await
    }

    async fn set_subject_status(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        status: SubjectStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.transact_and_record("set_subject_status", authority, &|transaction| {
            Box::pin(subjects::set_status(transaction, tenant, name, status))
        })
        .await
    }

    async fn delete_subject(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        self.transact_and_record("delete_subject", authority, &|transaction| {
            Box::pin(subjects::delete(transaction, tenant, name, &authority.event))
        })
        .await
    }
}

/// Whether there is such a tenant.
async fn has_tenant(transaction: &mut dyn Transaction, name: &TenantName) -> Result<bool, StoreError> {
    let found = sql("SELECT name FROM tenant WHERE name = $1").bind(name.as_str());
    Ok(transaction.fetch_first(found).await?.is_some())
}

/// The key that a page starts after. Every key comes after the empty one.
pub(super) fn start_of(page: &PageRequest) -> &str {
    page.after.as_deref().unwrap_or_default()
}

/// A page of what was found, which is one more than wanted where there is more to come.
pub(super) fn page_of<T>(
    found: &[Row],
    page: &PageRequest,
    read: impl Fn(&Row) -> Read<T>,
    key: impl Fn(&T) -> String,
) -> Read<Page<T>> {
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let items = found.iter().take(size).map(read).collect::<Read<Vec<T>>>()?;
    let next = if found.len() > size { items.last().map(key) } else { None };
    Ok(Page { items, next })
}
