//! Preconditions of a write, checked in its transaction.
//!
//! The rows of token and tenant are locked against removal until the transaction ends. A transaction that only read
//! them could commit after one that removes them: to the database, that is a valid serial order.

use super::{Statement, Transaction};
use crate::domain::evidence::Evidence;
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::store::Authority;

/// Checks the preconditions of a write, each once. Must be the first step of its transaction.
pub(super) async fn check_all(transaction: &mut dyn Transaction, authorities: &[Authority]) -> Result<(), StoreError> {
    let mut checked = Vec::new();
    for authority in authorities {
        let preconditions = (authority.evidence, authority.tenant);
        if !checked.contains(&preconditions) {
            check(transaction, authority).await?;
            checked.push(preconditions);
        }
    }
    Ok(())
}

async fn check(transaction: &mut dyn Transaction, authority: &Authority) -> Result<(), StoreError> {
    let Authority { event, evidence, tenant } = authority;
    if let Some(evidence) = evidence {
        check_evidence(transaction, evidence, event.at).await?;
    }
    match tenant {
        // If the evidence has the same tenant, its query has already found the tenant.
        Some(tenant) if evidence.is_none_or(|evidence| evidence.tenant != Some(*tenant)) => {
            check_tenant(transaction, *tenant).await
        }
        _ => Ok(()),
    }
}

/// Selects the token that the evidence names, if it is still valid, together with its tenant: a token ends with its
/// tenant, but its row is removed later.
pub(super) fn valid(evidence: &Evidence, at: Timestamp, lock: &'static str) -> Statement {
    let select = match evidence.tenant {
        None => "SELECT a.id FROM access_token a WHERE a.id = $1 AND a.expires_at > $2 AND a.tenant_id IS NULL",
        Some(_) => {
            "SELECT a.id FROM access_token a JOIN tenant t ON t.id = a.tenant_id
             WHERE a.id = $1 AND a.expires_at > $2 AND a.tenant_id = $3"
        }
    };
    Statement::of_parts(&[select, lock]).bind(evidence.token).bind(at).bind_some(evidence.tenant)
}

async fn check_evidence(
    transaction: &mut dyn Transaction,
    evidence: &Evidence,
    at: Timestamp,
) -> Result<(), StoreError> {
    let found = valid(evidence, at, transaction.for_key_share());
    transaction.fetch_first(found).await?.map(drop).ok_or(StoreError::EvidenceGone)
}

async fn check_tenant(transaction: &mut dyn Transaction, tenant: TenantId) -> Result<(), StoreError> {
    let found = Statement::of_parts(&["SELECT t.id FROM tenant t WHERE t.id = $1", transaction.for_key_share()]);
    transaction.fetch_first(found.bind(tenant)).await?.map(drop).ok_or(StoreError::TenantGone)
}
