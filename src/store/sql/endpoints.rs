//! Endpoints of instances, and who delivers to them at the moment.

use uuid::Uuid;

use super::rows::{self, Read};
use super::{Row, Statement, Transaction, overlaps, sql};
use crate::domain::delivery::FURTHEST_AHEAD;
use crate::domain::endpoint::{Comparison, Discovery, Endpoint, NodeAddress, StoredEndpoint, Transport};
use crate::domain::names::{InstanceId, MasterName, NodeUser, TenantName};
use crate::domain::time::Timestamp;
use crate::ports::StoreError;

/// Selects the endpoint of an instance.
pub(super) fn select(tenant: &TenantName, instance: &InstanceId) -> Statement {
    sql("SELECT id, nodes, ca, plaintext, user_name, saves_acl, secret, pepper_key, set_at, compared, mends, cluster,
             sentinel_master, leased_until
         FROM endpoint WHERE tenant = $1 AND instance = $2")
    .bind(tenant)
    .bind(instance)
}

/// Sets the endpoint of an instance, and makes its deliveries due. Returns whether the instance exists.
pub(super) async fn set(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    instance: &InstanceId,
    StoredEndpoint { id, endpoint, secret, set_at }: &StoredEndpoint,
) -> Result<bool, StoreError> {
    let Endpoint { nodes, discovery, transport, user, saves_acl, comparison } = endpoint;
    let nodes = rows::to_json(&nodes.iter().map(NodeAddress::as_str).collect::<Vec<_>>())?;
    let ca = match transport {
        Transport::Tls { ca } => ca.as_deref(),
        Transport::Plaintext => None,
    };
    // A lease that lasts stays, so that no other process delivers meanwhile.
    let upsert = sql("INSERT INTO endpoint
             (id, tenant, instance, nodes, ca, plaintext, user_name, saves_acl, secret, pepper_key, set_at, compared, mends, cluster,
              sentinel_master)
         SELECT $1, i.tenant, i.id, $4, $5, CAST($6 AS BIGINT), $7, CAST($8 AS BIGINT), $9, $10, CAST($11 AS BIGINT),
             CAST($12 AS BIGINT), CAST($13 AS BIGINT), CAST($14 AS BIGINT), $15
         FROM instance i WHERE i.tenant = $2 AND i.id = $3
         ON CONFLICT (tenant, instance) DO UPDATE SET id = excluded.id, nodes = excluded.nodes, ca = excluded.ca,
             plaintext = excluded.plaintext, user_name = excluded.user_name, saves_acl = excluded.saves_acl,
             secret = excluded.secret, pepper_key = excluded.pepper_key, set_at = excluded.set_at,
             compared = excluded.compared, mends = excluded.mends, cluster = excluded.cluster,
             sentinel_master = excluded.sentinel_master");
    let upsert = upsert.bind(*id).bind(tenant).bind(instance).bind(nodes).bind(ca);
    let upsert = upsert.bind(*transport == Transport::Plaintext).bind(user.as_str()).bind(*saves_acl);
    let upsert = upsert.bind(secret.expose()).bind(secret.key()).bind(*set_at);
    let upsert = upsert.bind(comparison.map(|comparison| comparison.every));
    let upsert =
        upsert.bind(comparison.is_some_and(|comparison| comparison.mends)).bind(*discovery == Discovery::Cluster);
    let upsert = upsert.bind(match discovery {
        Discovery::Sentinel(master) => Some(master.as_str()),
        Discovery::Named | Discovery::Cluster => None,
    });
    if transaction.execute(upsert).await? == 0 {
        return Ok(false);
    }
    let due = sql("UPDATE delivery SET due_at = 0, revision = revision + 1
         WHERE tenant = $1 AND instance = $2 AND due_at IS NOT NULL");
    transaction.execute(due.bind(tenant).bind(instance)).await?;
    Ok(true)
}

/// Removes the endpoint of an instance with its deliveries. Returns whether there was one.
pub(super) async fn delete(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    instance: &InstanceId,
) -> Result<bool, StoreError> {
    let endpoint = sql("DELETE FROM endpoint WHERE tenant = $1 AND instance = $2");
    let deleted = transaction.execute(endpoint.bind(tenant).bind(instance)).await?;
    let deliveries = sql("DELETE FROM delivery WHERE tenant = $1 AND instance = $2");
    transaction.execute(deliveries.bind(tenant).bind(instance)).await?;
    Ok(deleted > 0)
}

/// Leases an endpoint until the second time, if no other lease lasts at the first. Returns its row.
pub(super) async fn lease(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    instance: &InstanceId,
    by: Uuid,
    [now, until]: [Timestamp; 2],
) -> Result<Option<Row>, StoreError> {
    let take = sql("UPDATE endpoint SET leased_by = $3, leased_until = $4
         WHERE tenant = $1 AND instance = $2 AND (leased_until <= $5 OR leased_until > $6 OR leased_by = $3)");
    let take = take.bind(tenant).bind(instance).bind(by).bind(until).bind(now).bind(now.after(FURTHEST_AHEAD));
    if transaction.execute(take).await? == 0 {
        return Ok(None);
    }
    transaction.fetch_first(select(tenant, instance)).await
}

/// Reads an endpoint from a row with all columns.
pub(super) fn endpoint(row: &Row) -> Read<StoredEndpoint> {
    row.integer("leased_until")?;
    let nodes = rows::parsed(row, "nodes", |text| {
        let texts: Vec<String> = serde_json::from_str(text).ok()?;
        texts.iter().map(|text| NodeAddress::parse(text).ok()).collect::<Option<Vec<_>>>()
    })?;
    let ca = row.optional_text("ca")?.map(str::to_owned);
    let transport = if flag(row, "plaintext")? { Transport::Plaintext } else { Transport::Tls { ca } };
    let mends = flag(row, "mends")?;
    let compared = row.optional_integer("compared")?.map(|_| overlaps::length(row, "compared")).transpose()?;
    let comparison = compared.map(|every| Comparison { every, mends });
    let discovery = match rows::optional(row, "sentinel_master", |text| MasterName::parse(text).ok())? {
        Some(master) => Discovery::Sentinel(master),
        None if flag(row, "cluster")? => Discovery::Cluster,
        None => Discovery::Named,
    };
    let user = rows::parsed(row, "user_name", |text| NodeUser::parse(text).ok())?;
    Ok(StoredEndpoint {
        id: rows::uuid(row, "id")?,
        endpoint: Endpoint { nodes, discovery, transport, user, saves_acl: flag(row, "saves_acl")?, comparison },
        secret: rows::secret(row)?,
        set_at: rows::time(row, "set_at")?,
    })
}

fn flag(row: &Row, column: &'static str) -> Read<bool> {
    match row.integer(column)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(rows::damaged(column)),
    }
}
