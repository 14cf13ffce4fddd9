//! Preconditions of a write, checked in its transaction.
//!
//! The rows that prove the caller are locked against removal until the transaction ends. A transaction that only read
//! them could commit after one that removes them: to the database, that is a valid serial order.

use super::{Statement, Transaction};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::store::Authority;
use crate::ports::{CallerProof, Evidence, StoreError};

/// Checks the preconditions of a write, each once. Must be the first step of its transaction.
pub(super) async fn check_all(transaction: &mut dyn Transaction, authorities: &[Authority]) -> Result<(), StoreError> {
    let mut checked = Vec::new();
    for authority in authorities {
        let preconditions = (&authority.evidence, authority.tenant);
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
        Some(tenant) if evidence.as_ref().is_none_or(|evidence| evidence.tenant != Some(*tenant)) => {
            check_tenant(transaction, *tenant).await
        }
        _ => Ok(()),
    }
}

/// Selects the row that the evidence needs, or `None` if it needs none: an operator's external identity.
///
/// The row of a token is selected together with its tenant: a token ends with its tenant, but its row is removed later.
/// The row of an external identity is that of its tenant, and of its subject if its caller is one.
pub(super) fn row_of(evidence: &Evidence, at: Timestamp, lock: &'static str) -> Option<Statement> {
    let selecting = |select| Statement::of_parts(&[select, lock]);
    Some(match (&evidence.proof, evidence.tenant) {
        (CallerProof::Token(id), None) => selecting(
            "SELECT a.id FROM access_token a
                 WHERE a.id = $1 AND a.expires_at > $2 AND a.disabled = 0 AND a.tenant_id IS NULL",
        )
        .bind(*id)
        .bind(at),
        (CallerProof::Token(id), Some(tenant)) => selecting(
            "SELECT a.id FROM access_token a JOIN tenant t ON t.id = a.tenant_id
             WHERE a.id = $1 AND a.expires_at > $2 AND a.disabled = 0 AND a.tenant_id = $3",
        )
        .bind(*id)
        .bind(at)
        .bind(tenant),
        (CallerProof::External { .. }, None) => return None,
        (CallerProof::External { subject: None, .. }, Some(tenant)) => tenant_row(tenant, lock),
        (CallerProof::External { subject: Some(subject), .. }, Some(tenant)) => {
            selecting("SELECT s.id FROM subject s JOIN tenant t ON t.name = s.tenant WHERE s.id = $1 AND t.id = $2")
                .bind(*subject)
                .bind(tenant)
        }
    })
}

fn tenant_row(tenant: TenantId, lock: &'static str) -> Statement {
    Statement::of_parts(&["SELECT t.id FROM tenant t WHERE t.id = $1", lock]).bind(tenant)
}

async fn check_evidence(
    transaction: &mut dyn Transaction,
    evidence: &Evidence,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !evidence.holds_outside_the_store(at) {
        return Err(StoreError::EvidenceGone);
    }
    match row_of(evidence, at, transaction.for_key_share()) {
        Some(row) => transaction.fetch_first(row).await?.map(drop).ok_or(StoreError::EvidenceGone),
        None => Ok(()),
    }
}

async fn check_tenant(transaction: &mut dyn Transaction, tenant: TenantId) -> Result<(), StoreError> {
    let found = tenant_row(tenant, transaction.for_key_share());
    transaction.fetch_first(found).await?.map(drop).ok_or(StoreError::TenantGone)
}
