//! Tenants and their settings.

use sqlx::SqliteConnection;

use super::super::{SqliteStore, rows, settings};
use super::{has_tenant, page_of, start_of};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::tenant::Tenant;
use crate::ports::StoreError;
use crate::ports::store::{Creation, Deletion};

pub(super) async fn insert(connection: &mut SqliteConnection, tenant: &Tenant) -> Result<Creation, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO tenant (name, settings, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(tenant.name.as_str())
    .bind(settings::to_text(&TenantSettings::default())?)
    .bind(tenant.created_at.as_micros())
    .execute(connection)
    .await?;
    Ok(if inserted.rows_affected() == 0 { Creation::AlreadyExists } else { Creation::Created })
}

pub(super) async fn find(store: &SqliteStore, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
    let row = sqlx::query("SELECT name, created_at FROM tenant WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(&store.readers)
        .await?;
    row.as_ref().map(rows::tenant).transpose()
}

pub(super) async fn list(store: &SqliteStore, page: &PageRequest) -> Result<Page<Tenant>, StoreError> {
    let found = sqlx::query("SELECT name, created_at FROM tenant WHERE name > $1 ORDER BY name LIMIT $2")
        .bind(start_of(page))
        .bind(i64::from(page.size) + 1)
        .fetch_all(&store.readers)
        .await?;
    page_of(&found, page, rows::tenant, |tenant| tenant.name.as_str().to_owned())
}

pub(super) async fn delete(connection: &mut SqliteConnection, name: &TenantName) -> Result<Deletion, StoreError> {
    if !has_tenant(connection, name).await? {
        return Ok(Deletion::Absent);
    }
    let deleted = sqlx::query(
        "DELETE FROM tenant WHERE name = $1
           AND NOT EXISTS (SELECT 1 FROM subject WHERE tenant = $1)
           AND NOT EXISTS (SELECT 1 FROM instance WHERE tenant = $1)",
    )
    .bind(name.as_str())
    .execute(connection)
    .await?;
    Ok(if deleted.rows_affected() == 0 { Deletion::NotEmpty } else { Deletion::Deleted })
}

pub(super) async fn replace_settings(
    connection: &mut SqliteConnection,
    tenant: &TenantName,
    expected: &TenantSettings,
    new: &TenantSettings,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT settings FROM tenant WHERE name = $1")
        .bind(tenant.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(false) };
    // As values: a text of an older program may lack a setting that has its default value.
    if rows::parsed(&row, "settings", settings::of_text)? != *expected {
        return Ok(false);
    }
    sqlx::query("UPDATE tenant SET settings = $2 WHERE name = $1")
        .bind(tenant.as_str())
        .bind(settings::to_text(new)?)
        .execute(connection)
        .await?;
    Ok(true)
}
