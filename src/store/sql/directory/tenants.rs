//! Tenants and their settings.

use async_trait::async_trait;

use super::super::{SqlStore, Transaction, candidates, leftovers, rows, sql, tenant_settings};
use super::{page_of, start_of};
use crate::domain::candidate_policy::{CandidateStep, Comparisons, TenantPolicies};
use crate::domain::credential::Version;
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::tenant::{Tenant, TenantId};
use crate::domain::tenant_settings::TenantSettings;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{Authority, Creation, Deletion, Tenants};

#[async_trait]
impl Tenants for SqlStore {
    async fn create_tenant(&self, tenant: &Tenant, authority: &Authority) -> Result<Creation, StoreError> {
        let write = self.write(StoreWork::CreateTenant).authorized_by(authority);
        write.run(|transaction| Box::pin(insert(transaction, tenant))).await
    }

    async fn tenant(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
        let row = self.read_first(sql("SELECT id, name, created_at FROM tenant WHERE name = $1").bind(name)).await?;
        row.as_ref().map(rows::tenant).transpose()
    }

    async fn tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError> {
        let select = sql("SELECT id, name, created_at FROM tenant WHERE name > $1 ORDER BY name LIMIT $2");
        let found = self.read(select.bind(start_of(page)).bind(i64::from(page.size) + 1)).await?;
        page_of(&found, page, rows::tenant, |tenant| tenant.name.as_str().to_owned())
    }

    async fn delete_tenant(&self, name: &TenantName, authority: &Authority) -> Result<Deletion, StoreError> {
        let write = self.write(StoreWork::DeleteTenant).authorized_by(authority);
        write.run(|transaction| Box::pin(delete(transaction, name))).await
    }

    async fn replace_settings(
        &self,
        tenant: &TenantName,
        expected: &TenantSettings,
        settings: &TenantSettings,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::ReplaceSettings).authorized_by(authority);
        write.run(|transaction| Box::pin(replace_if_expected(transaction, tenant, expected, settings))).await
    }

    async fn tenant_policies(&self, tenant: &TenantName) -> Result<Option<TenantPolicies>, StoreError> {
        let row = self.read_first(sql(candidates::SELECT_POLICIES).bind(tenant)).await?;
        row.as_ref().map(candidates::policies).transpose()
    }

    async fn compared_policies(
        &self,
        tenant: &TenantName,
    ) -> Result<Option<(TenantPolicies, Comparisons)>, StoreError> {
        let row = self.read_first(sql(candidates::SELECT_POLICIES).bind(tenant)).await?;
        row.map(|row| Ok((candidates::policies(&row)?, candidates::comparisons(&row)?))).transpose()
    }

    async fn change_candidate(
        &self,
        tenant: &TenantName,
        expected: Option<Version>,
        step: &CandidateStep,
        authority: &Authority,
    ) -> Result<Option<Version>, StoreError> {
        let write = self.write(StoreWork::ChangeCandidate).authorized_by(authority);
        write.run(|transaction| Box::pin(candidates::take_step(transaction, tenant, expected, step))).await
    }

    async fn add_comparisons(
        &self,
        tenant: TenantId,
        version: Version,
        counted: &Comparisons,
    ) -> Result<(), StoreError> {
        let write = self.upkeep(StoreWork::AddComparisons);
        write.run(|transaction| Box::pin(candidates::add_comparisons(transaction, tenant, version, counted))).await
    }
}

async fn insert(transaction: &mut dyn Transaction, tenant: &Tenant) -> Result<Creation, StoreError> {
    let insert = sql("INSERT INTO tenant (id, name, settings, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO NOTHING");
    let settings = tenant_settings::to_text(&TenantSettings::default())?;
    let insert = insert.bind(tenant.id).bind(&tenant.name).bind(settings).bind(tenant.created_at);
    let inserted = transaction.execute(insert).await?;
    Ok(if inserted == 0 { Creation::AlreadyExists } else { Creation::Created })
}

/// Its change events are removed later: a tenant created again under the name has another id and does not see them.
async fn delete(transaction: &mut dyn Transaction, name: &TenantName) -> Result<Deletion, StoreError> {
    let found = sql("SELECT id FROM tenant WHERE name = $1").bind(name);
    let Some(found) = transaction.fetch_first(found).await? else { return Ok(Deletion::Absent) };
    let delete = sql("DELETE FROM tenant WHERE name = $1
           AND NOT EXISTS (SELECT 1 FROM subject WHERE tenant = $1)
           AND NOT EXISTS (SELECT 1 FROM instance WHERE tenant = $1)");
    let deleted = transaction.execute(delete.bind(name)).await?;
    if deleted == 0 {
        return Ok(Deletion::NotEmpty);
    }
    candidates::remove(transaction, found.text("id")?).await?;
    leftovers::of_tenant(transaction, found.text("id")?).await?;
    Ok(Deletion::Deleted)
}

async fn replace_if_expected(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    expected: &TenantSettings,
    new: &TenantSettings,
) -> Result<bool, StoreError> {
    let row = transaction.fetch_first(sql("SELECT id, settings FROM tenant WHERE name = $1").bind(tenant)).await?;
    let Some(row) = row else { return Ok(false) };
    // Compared as values: a text written by an older program may lack a setting that has its default value.
    if tenant_settings::read(&row)? != *expected {
        return Ok(false);
    }
    tenant_settings::replace(transaction, tenant, expected, new).await?;
    if (expected.ram, expected.iam) != (new.ram, new.iam) {
        candidates::start_again(transaction, TenantId(rows::uuid(&row, "id")?)).await?;
    }
    Ok(true)
}
