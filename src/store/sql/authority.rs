//! Preconditions of a write, checked in its transaction.
//!
//! The rows that prove the caller are locked against removal until the transaction ends. A transaction that only read
//! them could commit after one that removes them: to the database, that is a valid serial order.

use super::{Step, Transaction};
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
    for (step, missing) in preconditions(authority)? {
        if step.run(transaction).await? == 0 {
            return Err(missing.into());
        }
    }
    Ok(())
}

/// What a write needs that is not there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gone {
    Evidence,
    Tenant,
}

impl From<Gone> for StoreError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Evidence => Self::EvidenceGone,
            Gone::Tenant => Self::TenantGone,
        }
    }
}

/// The steps that have to find the preconditions of a write, in order, and what is missing otherwise.
pub(super) fn preconditions(authority: &Authority) -> Result<impl Iterator<Item = (Step, Gone)>, StoreError> {
    let Authority { event, evidence, tenant } = authority;
    let of_evidence = match evidence {
        Some(evidence) if !evidence.holds_outside_the_store(event.at) => return Err(StoreError::EvidenceGone),
        Some(evidence) => row_of(evidence, event.at),
        None => None,
    };
    // If the evidence has the same tenant, its query has already found the tenant.
    let is_other = |tenant: &TenantId| evidence.as_ref().is_none_or(|evidence| evidence.tenant != Some(*tenant));
    let of_tenant = tenant.filter(is_other).map(tenant_row);
    let of_evidence = of_evidence.map(|step| (step, Gone::Evidence));
    Ok(of_evidence.into_iter().chain(of_tenant.map(|step| (step, Gone::Tenant))))
}

/// Finds the row that the evidence needs, or `None` if it needs none: an operator's external identity.
///
/// The row of a token is found together with its tenant: a token ends with its tenant, but its row is removed later.
/// The row of an external identity is that of its tenant, and of its subject if its caller is one.
pub(super) fn row_of(evidence: &Evidence, at: Timestamp) -> Option<Step> {
    Some(match (&evidence.proof, evidence.tenant) {
        (CallerProof::Token(id), None) => Step::keep(
            "SELECT a.id FROM access_token a
                 WHERE a.id = $1 AND a.expires_at > $2 AND a.disabled = 0 AND a.tenant_id IS NULL",
        )
        .bind(*id)
        .bind(at),
        (CallerProof::Token(id), Some(tenant)) => Step::keep(
            "SELECT a.id FROM access_token a JOIN tenant t ON t.id = a.tenant_id
             WHERE a.id = $1 AND a.expires_at > $2 AND a.disabled = 0 AND a.tenant_id = $3",
        )
        .bind(*id)
        .bind(at)
        .bind(tenant),
        (CallerProof::External { .. }, None) => return None,
        (CallerProof::External { subject: None, .. }, Some(tenant)) => tenant_row(tenant),
        (CallerProof::External { subject: Some(subject), .. }, Some(tenant)) => {
            Step::keep("SELECT s.id FROM subject s JOIN tenant t ON t.name = s.tenant WHERE s.id = $1 AND t.id = $2")
                .bind(*subject)
                .bind(tenant)
        }
    })
}

fn tenant_row(tenant: TenantId) -> Step {
    Step::keep("SELECT t.id FROM tenant t WHERE t.id = $1").bind(tenant)
}
