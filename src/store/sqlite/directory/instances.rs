//! Instances.

use sqlx::SqliteConnection;

use super::super::{SqliteStore, rows};
use super::{has_tenant, page_of, start_of};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{Instance, InstanceStatus};
use crate::ports::StoreError;
use crate::ports::store::{Creation, Deletion};

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    tenant: &TenantName,
    instance: &Instance,
) -> Result<Creation, StoreError> {
    if !has_tenant(connection, tenant).await? {
        return Ok(Creation::TenantAbsent);
    }
    let inserted = sqlx::query(
        "INSERT INTO instance (tenant, id, region, status, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, id) DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(instance.id.as_str())
    .bind(instance.region.as_str())
    .bind(instance.status.as_str())
    .bind(instance.created_at.as_micros())
    .execute(connection)
    .await?;
    Ok(if inserted.rows_affected() == 0 { Creation::AlreadyExists } else { Creation::Created })
}

pub(super) async fn find(
    store: &SqliteStore,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<Option<Instance>, StoreError> {
    let row = sqlx::query("SELECT id, region, status, created_at FROM instance WHERE tenant = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&store.readers)
        .await?;
    row.as_ref().map(rows::instance).transpose()
}

pub(super) async fn list(
    store: &SqliteStore,
    tenant: &TenantName,
    page: &PageRequest,
) -> Result<Page<Instance>, StoreError> {
    let found = sqlx::query(
        "SELECT id, region, status, created_at FROM instance WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(start_of(page))
    .bind(i64::from(page.size) + 1)
    .fetch_all(&store.readers)
    .await?;
    page_of(&found, page, rows::instance, |instance| instance.id.as_str().to_owned())
}

pub(super) async fn set_status(
    connection: &mut SqliteConnection,
    tenant: &TenantName,
    id: &InstanceId,
    status: InstanceStatus,
) -> Result<bool, StoreError> {
    let updated = sqlx::query("UPDATE instance SET status = $3 WHERE tenant = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id.as_str())
        .bind(status.as_str())
        .execute(connection)
        .await?;
    Ok(updated.rows_affected() > 0)
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<Deletion, StoreError> {
    if !exists(connection, tenant, id).await? {
        return Ok(Deletion::Absent);
    }
    let deleted = sqlx::query(
        "DELETE FROM instance WHERE tenant = $1 AND id = $2
           AND NOT EXISTS (SELECT 1 FROM subject WHERE tenant = $1 AND instance = $2)",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(if deleted.rows_affected() == 0 { Deletion::NotEmpty } else { Deletion::Deleted })
}

/// Whether the tenant has such an instance.
pub(super) async fn exists(
    connection: &mut SqliteConnection,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT id FROM instance WHERE tenant = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}
