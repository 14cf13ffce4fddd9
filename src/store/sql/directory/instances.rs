//! Instances.

use async_trait::async_trait;

use super::super::{SqlStore, Transaction, rows, sql};
use super::{has_tenant, page_of, start_of};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{Instance, InstanceStatus};
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{Authority, Creation, Deletion, Instances};

#[async_trait]
impl Instances for SqlStore {
    async fn create_instance(
        &self,
        tenant: &TenantName,
        instance: &Instance,
        authority: &Authority,
    ) -> Result<Creation, StoreError> {
        let write = self.write(StoreWork::CreateInstance).authorized_by(authority);
        write.run(|transaction| Box::pin(insert(transaction, tenant, instance))).await
    }

    async fn instance(&self, tenant: &TenantName, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        let select = sql("SELECT id, region, status, created_at FROM instance WHERE tenant = $1 AND id = $2");
        let row = self.read_first(select.bind(tenant).bind(id)).await?;
        row.as_ref().map(rows::instance).transpose()
    }

    async fn instances(&self, tenant: &TenantName, page: &PageRequest) -> Result<Page<Instance>, StoreError> {
        let select = sql(
            "SELECT id, region, status, created_at FROM instance WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        );
        let found = self.read(select.bind(tenant).bind(start_of(page)).bind(i64::from(page.size) + 1)).await?;
        page_of(&found, page, rows::instance, |instance| instance.id.as_str().to_owned())
    }

    async fn set_instance_status(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        status: InstanceStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let update = sql("UPDATE instance SET status = $3 WHERE tenant = $1 AND id = $2");
        let update = update.bind(tenant).bind(id).bind(status);
        self.write(StoreWork::SetInstanceStatus).authorized_by(authority).execute(update).await
    }

    async fn delete_instance(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        let write = self.write(StoreWork::DeleteInstance).authorized_by(authority);
        write.run(|transaction| Box::pin(delete(transaction, tenant, id))).await
    }
}

async fn insert(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    instance: &Instance,
) -> Result<Creation, StoreError> {
    if !has_tenant(transaction, tenant).await? {
        return Ok(Creation::TenantAbsent);
    }
    let Instance { id, region, status, created_at } = instance;
    let insert = sql("INSERT INTO instance (tenant, id, region, status, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, id) DO NOTHING");
    let insert = insert.bind(tenant).bind(id).bind(region).bind(*status).bind(*created_at);
    let inserted = transaction.execute(insert).await?;
    Ok(if inserted == 0 { Creation::AlreadyExists } else { Creation::Created })
}

async fn delete(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<Deletion, StoreError> {
    if !exists(transaction, tenant, id).await? {
        return Ok(Deletion::Absent);
    }
    // Without its endpoint, passwords of deleted accounts would stay on the nodes.
    let withdrawn = sql("SELECT account FROM delivery WHERE tenant = $1 AND instance = $2 ORDER BY due_at LIMIT 1");
    if transaction.fetch_first(withdrawn.bind(tenant).bind(id)).await?.is_some() {
        return Ok(Deletion::NotEmpty);
    }
    let endpoint = sql("DELETE FROM endpoint WHERE tenant = $1 AND instance = $2
           AND NOT EXISTS (SELECT 1 FROM subject WHERE tenant = $1 AND instance = $2)");
    transaction.execute(endpoint.bind(tenant).bind(id)).await?;
    let delete = sql("DELETE FROM instance WHERE tenant = $1 AND id = $2
           AND NOT EXISTS (SELECT 1 FROM subject WHERE tenant = $1 AND instance = $2)");
    let deleted = transaction.execute(delete.bind(tenant).bind(id)).await?;
    Ok(if deleted == 0 { Deletion::NotEmpty } else { Deletion::Deleted })
}

/// Whether the tenant has this instance.
pub(super) async fn exists(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<bool, StoreError> {
    let select = sql("SELECT id FROM instance WHERE tenant = $1 AND id = $2");
    let found = transaction.fetch_first(select.bind(tenant).bind(id)).await?;
    Ok(found.is_some())
}
