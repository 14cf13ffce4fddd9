//! Tenants, instances and subjects.

mod instances;
mod subjects;
mod tenants;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::rows::Read;
use super::{SqliteStore, Writing, audit, finish};
use crate::domain::audit_event::AuditEvent;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Instance, InstanceStatus, SubjectKind, SubjectName};
use crate::domain::tenant::Tenant;
use crate::ports::StoreError;
use crate::ports::store::{Creation, Deletion, Directory, NewSubject, SubjectEntry, SubjectStatus};

#[async_trait]
impl Directory for SqliteStore {
    async fn create_tenant(&self, tenant: &Tenant, event: &AuditEvent) -> Result<Creation, StoreError> {
        let mut transaction = self.begin().await?;
        let creation = tenants::insert(&mut transaction, tenant).await?;
        finish_if(creation == Creation::Created, transaction, event).await?;
        Ok(creation)
    }

    async fn tenant(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
        tenants::find(self, name).await
    }

    async fn tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError> {
        tenants::list(self, page).await
    }

    async fn delete_tenant(&self, name: &TenantName, event: &AuditEvent) -> Result<Deletion, StoreError> {
        let mut transaction = self.begin().await?;
        let deletion = tenants::delete(&mut transaction, name).await?;
        finish_if(deletion == Deletion::Deleted, transaction, event).await?;
        Ok(deletion)
    }

    async fn replace_settings(
        &self,
        tenant: &TenantName,
        expected: &TenantSettings,
        settings: &TenantSettings,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let replaced = tenants::replace_settings(&mut transaction, tenant, expected, settings).await?;
        finish_if(replaced, transaction, event).await?;
        Ok(replaced)
    }

    async fn create_instance(
        &self,
        tenant: &TenantName,
        instance: &Instance,
        event: &AuditEvent,
    ) -> Result<Creation, StoreError> {
        let mut transaction = self.begin().await?;
        let creation = instances::insert(&mut transaction, tenant, instance).await?;
        finish_if(creation == Creation::Created, transaction, event).await?;
        Ok(creation)
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
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let found = instances::set_status(&mut transaction, tenant, id, status).await?;
        finish_if(found, transaction, event).await?;
        Ok(found)
    }

    async fn delete_instance(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        event: &AuditEvent,
    ) -> Result<Deletion, StoreError> {
        let mut transaction = self.begin().await?;
        let deletion = instances::delete(&mut transaction, tenant, id).await?;
        finish_if(deletion == Deletion::Deleted, transaction, event).await?;
        Ok(deletion)
    }

    async fn create_subject(&self, new: &NewSubject, event: &AuditEvent) -> Result<Creation, StoreError> {
        let mut transaction = self.begin().await?;
        let creation = subjects::insert(&mut transaction, new).await?;
        finish_if(creation == Creation::Created, transaction, event).await?;
        Ok(creation)
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
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let found = subjects::set_status(&mut transaction, tenant, name, status).await?;
        finish_if(found, transaction, event).await?;
        Ok(found)
    }

    async fn delete_subject(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        event: &AuditEvent,
    ) -> Result<Deletion, StoreError> {
        let mut transaction = self.begin().await?;
        let deletion = subjects::delete(&mut transaction, tenant, name).await?;
        finish_if(deletion == Deletion::Deleted, transaction, event).await?;
        Ok(deletion)
    }
}

/// Commits a write with its audit event. What changed nothing records nothing.
async fn finish_if(changed: bool, mut transaction: Writing, event: &AuditEvent) -> Result<(), StoreError> {
    if changed {
        audit::insert(&mut transaction, event).await?;
        finish(transaction).await?;
    }
    Ok(())
}

/// Whether there is such a tenant.
async fn has_tenant(connection: &mut SqliteConnection, name: &TenantName) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT name FROM tenant WHERE name = $1").bind(name.as_str());
    Ok(found.fetch_optional(connection).await?.is_some())
}

/// The key that a page starts after. Every key comes after the empty one.
pub(super) fn start_of(page: &PageRequest) -> &str {
    page.after.as_deref().unwrap_or_default()
}

/// A page of what was found, which is one more than wanted where there is more to come.
pub(super) fn page_of<T>(
    found: &[SqliteRow],
    page: &PageRequest,
    read: impl Fn(&SqliteRow) -> Read<T>,
    key: impl Fn(&T) -> String,
) -> Read<Page<T>> {
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let items = found.iter().take(size).map(read).collect::<Read<Vec<T>>>()?;
    let next = if found.len() > size { items.last().map(key) } else { None };
    Ok(Page { items, next })
}
