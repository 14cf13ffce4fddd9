//! Instances.

use async_trait::async_trait;

use super::super::{SqlStore, Transaction, rows, sql};
use super::{has_tenant, page_of, start_of};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::{Instance, InstanceStatus};
use crate::ports::StoreError;
use crate::ports::store::{Authority, Creation, Deletion, Instances};

#[async_trait]
impl Instances for SqlStore {
    async fn create_instance(
        &self,
        tenant: &TenantName,
        instance: &Instance,
        authority: &Authority,
    ) -> Result<Creation, StoreError> {
        self.write("create_instance")
            .authorized_by(authority)
            .run(|transaction| Box::pin(insert(transaction, tenant, instance)))
            .await
    }

    async fn instance(&self, tenant: &TenantName, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        let row = self
            .read_first(
                sql("SELECT id, region, status, created_at FROM instance WHERE tenant = $1 AND id = $2")
                    .bind(tenant.as_str())
                    .bind(id.as_str()),
            )
            .await?;
        row.as_ref().map(rows::instance).transpose()
    }

    async fn instances(&self, tenant: &TenantName, page: &PageRequest) -> Result<Page<Instance>, StoreError> {
        let found = self.read(sql(
            "SELECT id, region, status, created_at FROM instance WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(start_of(page))
        .bind(i64::from(page.size) + 1))
        .await?;
        page_of(&found, page, rows::instance, |instance| instance.id.as_str().to_owned())
    }

    async fn set_instance_status(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        status: InstanceStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.write("set_instance_status")
            .authorized_by(authority)
            .run(|transaction| Box::pin(set_status(transaction, tenant, id, status)))
            .await
    }

    async fn delete_instance(
        &self,
        tenant: &TenantName,
        id: &InstanceId,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        self.write("delete_instance")
            .authorized_by(authority)
            .run(|transaction| Box::pin(delete(transaction, tenant, id)))
            .await
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
    let inserted = transaction
        .execute(
            sql("INSERT INTO instance (tenant, id, region, status, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, id) DO NOTHING")
            .bind(tenant.as_str())
            .bind(instance.id.as_str())
            .bind(instance.region.as_str())
            .bind(instance.status.as_str())
            .bind(instance.created_at.as_micros()),
        )
        .await?;
    Ok(if inserted == 0 { Creation::AlreadyExists } else { Creation::Created })
}

async fn set_status(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    id: &InstanceId,
    status: InstanceStatus,
) -> Result<bool, StoreError> {
    let updated = transaction
        .execute(
            sql("UPDATE instance SET status = $3 WHERE tenant = $1 AND id = $2")
                .bind(tenant.as_str())
                .bind(id.as_str())
                .bind(status.as_str()),
        )
        .await?;
    Ok(updated > 0)
}

async fn delete(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<Deletion, StoreError> {
    if !exists(transaction, tenant, id).await? {
        return Ok(Deletion::Absent);
    }
    let deleted = transaction
        .execute(
            sql("DELETE FROM instance WHERE tenant = $1 AND id = $2
           AND NOT EXISTS (SELECT 1 FROM subject WHERE tenant = $1 AND instance = $2)")
            .bind(tenant.as_str())
            .bind(id.as_str()),
        )
        .await?;
    Ok(if deleted == 0 { Deletion::NotEmpty } else { Deletion::Deleted })
}

/// Whether the tenant has this instance.
pub(super) async fn exists(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    id: &InstanceId,
) -> Result<bool, StoreError> {
    let found = transaction
        .fetch_first(
            sql("SELECT id FROM instance WHERE tenant = $1 AND id = $2").bind(tenant.as_str()).bind(id.as_str()),
        )
        .await?;
    Ok(found.is_some())
}
