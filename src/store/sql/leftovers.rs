//! Rows that a deletion or smaller settings leave behind, removed in batches.
//!
//! One statement would be as large as a tenant: others would wait for it, and under a statement timeout it would never
//! finish. Leftover rows have no effect: events and tokens are read by tenant id, which is never reused, and a change
//! compares only as many earlier hashes as the policy asks for.

use super::upkeep::is_full;
use super::{Row, Statement, Transaction, change_events, sql, tenant_settings, tokens};
use crate::domain::names::TenantName;
use crate::domain::subject::SubjectKind;
use crate::ports::StoreError;

/// Leftover change events of a tenant.
const EVENTS: &str = "event";
/// Leftover access tokens of a tenant.
const TOKENS: &str = "token";
/// Maximum number of subjects to process in one transaction. Each has at most two dozen earlier hashes.
const SUBJECTS_AT_ONCE: i64 = 50;

/// Notes that a tenant is deleted, in the same transaction.
pub(super) async fn of_tenant(transaction: &mut dyn Transaction, id: &str) -> Result<(), StoreError> {
    let gone = sql("DELETE FROM leftover WHERE tenant_id = $1").bind(id);
    transaction.execute(gone).await?;
    for kind in [EVENTS, TOKENS] {
        let left = sql("INSERT INTO leftover (tenant_id, kind, after) VALUES ($1, $2, '')");
        transaction.execute(left.bind(id).bind(kind)).await?;
    }
    Ok(())
}

/// Notes that a kind of subject needs fewer earlier hashes, in the transaction that changes the settings. If a removal
/// is under way, it starts again.
pub(super) async fn of_settings(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    kind: SubjectKind,
) -> Result<(), StoreError> {
    let left = sql("INSERT INTO leftover (tenant_id, kind, after) SELECT id, $2, '' FROM tenant WHERE name = $1
         ON CONFLICT (tenant_id, kind) DO UPDATE SET after = excluded.after");
    transaction.execute(left.bind(tenant).bind(kind)).await.map(drop)
}

/// Removes a batch of leftovers. Returns whether there may be more.
pub(super) async fn remove_some(transaction: &mut dyn Transaction) -> Result<bool, StoreError> {
    let first =
        ["SELECT tenant_id, kind, after FROM leftover ORDER BY tenant_id, kind LIMIT 1", transaction.for_update()];
    let Some(left) = transaction.fetch_first(Statement::of_parts(&first)).await? else { return Ok(false) };
    let tenant = left.text("tenant_id")?;
    let is_done = match left.text("kind")? {
        EVENTS => !is_full(change_events::remove_of_tenant(transaction, tenant).await?),
        TOKENS => !is_full(tokens::remove_of_tenant(transaction, tenant).await?),
        _ => remove_earlier_hashes(transaction, &left).await?,
    };
    if is_done {
        let done = sql("DELETE FROM leftover WHERE tenant_id = $1 AND kind = $2");
        transaction.execute(done.bind(tenant).bind(left.text("kind")?)).await?;
    }
    Ok(true)
}

/// Removes the hashes that neither the policy nor an overlap needs, for a batch of subjects. Returns whether it was the
/// last batch. Reads the policy again, because the settings may have changed.
async fn remove_earlier_hashes(transaction: &mut dyn Transaction, left: &Row) -> Result<bool, StoreError> {
    let (id, kind, after) = (left.text("tenant_id")?, left.text("kind")?, left.text("after")?);
    let tenant = sql("SELECT name, settings FROM tenant WHERE id = $1").bind(id);
    let Some(tenant) = transaction.fetch_first(tenant).await? else { return Ok(true) };
    let needed = tenant_settings::read(&tenant)?.earlier_hashes();
    let Some((_, kept)) = needed.into_iter().find(|(of, _)| of.as_str() == kind) else { return Ok(true) };
    let name = tenant.text("name")?;
    let last = sql("SELECT max(id) AS last, count(*) AS subjects FROM (
             SELECT id FROM subject WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3
         ) s");
    let last = last.bind(name).bind(after).bind(SUBJECTS_AT_ONCE);
    let Some(page) = transaction.fetch_first(last).await? else { return Ok(true) };
    let Some(last) = page.optional_text("last")? else { return Ok(true) };
    let delete = sql("DELETE FROM earlier_hash WHERE (subject_id, version) IN (
                     SELECT e.subject_id, e.version FROM subject s
                     JOIN credential c ON c.subject_id = s.id
                     JOIN earlier_hash e ON e.subject_id = s.id
                     WHERE s.tenant = $1 AND s.id > $2 AND s.id <= $3 AND s.kind = $4 AND e.version < c.version - $5
                         AND (c.overlap_started_at IS NULL OR e.version < c.version - 1)
                 )");
    transaction.execute(delete.bind(name).bind(after).bind(last).bind(kind).bind(kept)).await?;
    let further = sql("UPDATE leftover SET after = $3 WHERE tenant_id = $1 AND kind = $2");
    transaction.execute(further.bind(id).bind(kind).bind(last)).await?;
    Ok(page.integer("subjects")? < SUBJECTS_AT_ONCE)
}
