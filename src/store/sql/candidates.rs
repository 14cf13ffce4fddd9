//! Candidate password policies of tenants, with the counts of how they compare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::{self, Read};
use super::{Row, Statement, Transaction, sql, tenant_settings};
use crate::domain::candidate_policy::{CandidatePolicy, CandidateStep, Comparisons, Refusals, TenantPolicies};
use crate::domain::credential::Version;
use crate::domain::names::TenantName;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_settings::UnreadableSettings;
use crate::ports::StoreError;

/// The settings of the tenant of a name, and its candidate.
pub(super) const SELECT_POLICIES: &str = "SELECT t.id, t.settings, c.version, c.settings AS candidate, c.comparisons
     FROM tenant t LEFT JOIN candidate_policy c ON c.tenant_id = (SELECT o.id FROM tenant o WHERE o.name = $1)
     WHERE t.name = $1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredComparisons {
    compared: u64,
    would_be_refused: StoredRefusals,
    would_be_accepted: StoredRefusals,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRefusals {
    requests: u64,
    rules: BTreeMap<String, u64>,
}

impl From<&Refusals> for StoredRefusals {
    fn from(refusals: &Refusals) -> Self {
        Self { requests: refusals.requests, rules: refusals.rules.clone() }
    }
}

impl From<StoredRefusals> for Refusals {
    fn from(StoredRefusals { requests, rules }: StoredRefusals) -> Self {
        Self { requests, rules }
    }
}

fn to_text(counts: &Comparisons) -> Read<String> {
    rows::to_json(&StoredComparisons {
        compared: counts.compared,
        would_be_refused: (&counts.would_be_refused).into(),
        would_be_accepted: (&counts.would_be_accepted).into(),
    })
}

fn of_text(text: &str) -> Option<Comparisons> {
    let stored: StoredComparisons = serde_json::from_str(text).ok()?;
    Some(Comparisons {
        compared: stored.compared,
        would_be_refused: stored.would_be_refused.into(),
        would_be_accepted: stored.would_be_accepted.into(),
    })
}

/// The settings of a tenant and its candidate, from a row with the columns of both. A candidate that can't be read keeps
/// no one from being judged by the policies in force.
pub(super) fn policies(row: &Row) -> Read<TenantPolicies> {
    let settings = match row.optional_text("candidate") {
        Ok(text) => text.map(tenant_settings::parse),
        Err(_) => Some(Err(UnreadableSettings::Damaged)),
    };
    let candidate = |settings| rows::version(row, "version").map(|version| CandidatePolicy { version, settings });
    Ok(TenantPolicies {
        tenant: TenantId(rows::uuid(row, "id")?),
        settings: tenant_settings::read(row)?,
        candidate: settings.map(candidate).transpose()?,
    })
}

/// How the candidate compares, from the same row.
pub(super) fn comparisons(row: &Row) -> Read<Comparisons> {
    Ok(rows::optional(row, "comparisons", of_text)?.unwrap_or_default())
}

/// Reads a row of the table as it is.
pub(super) fn check(row: &Row) -> Read<()> {
    rows::uuid(row, "tenant_id")?;
    rows::version(row, "version")?;
    if row.optional_text("settings")?.is_some() {
        tenant_settings::read(row)?;
    }
    rows::parsed(row, "comparisons", of_text).map(drop)
}

/// Takes a step if the version of the candidate is the expected one. Returns the next version if it was.
pub(super) async fn take_step(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    expected: Option<Version>,
    step: &CandidateStep,
) -> Result<Option<Version>, StoreError> {
    let found = transaction.fetch_first(sql(SELECT_POLICIES).bind(tenant)).await?;
    let Some(row) = found else { return Ok(None) };
    let found = policies(&row)?;
    if found.candidate.map(|candidate| candidate.version) != expected {
        return Ok(None);
    }
    let last = match row.optional_integer("version")? {
        None => None,
        Some(_) => Some(rows::version(&row, "version")?),
    };
    let settings = match (step, &found.candidate) {
        (CandidateStep::Set(settings), _) => Some(tenant_settings::to_text(settings)?),
        (CandidateStep::Adopt | CandidateStep::Drop, None) => return Ok(None),
        (CandidateStep::Adopt, Some(candidate)) => {
            let adopted = candidate.adopted(&found.settings)?;
            tenant_settings::replace(transaction, tenant, &found.settings, &adopted).await?;
            None
        }
        (CandidateStep::Drop, Some(_)) => None,
    };
    let upsert = sql("INSERT INTO candidate_policy (tenant_id, version, settings, comparisons) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, settings = excluded.settings,
             comparisons = excluded.comparisons");
    let next = Version::following(last);
    let upsert = upsert.bind(found.tenant).bind(next).bind(settings);
    transaction.execute(upsert.bind(to_text(&Comparisons::default())?)).await?;
    Ok(Some(next))
}

/// Adds counts to those of a candidate, unless it is no longer the tenant's. Locks them first, so that others add theirs in
/// turn.
pub(super) async fn add_comparisons(
    transaction: &mut dyn Transaction,
    tenant: TenantId,
    version: Version,
    counted: &Comparisons,
) -> Result<(), StoreError> {
    let select = "SELECT comparisons FROM candidate_policy WHERE tenant_id = $1 AND version = $2";
    let select = Statement::of_parts(&[select, transaction.for_update()]).bind(tenant).bind(version);
    let Some(row) = transaction.fetch_first(select).await? else { return Ok(()) };
    let mut sum = rows::parsed(&row, "comparisons", of_text)?;
    sum.add(counted);
    let update = sql("UPDATE candidate_policy SET comparisons = $2 WHERE tenant_id = $1");
    transaction.execute(update.bind(tenant).bind(to_text(&sum)?)).await.map(drop)
}

/// Gives a candidate its next version, because the policies in force have changed: so it is looked at again before it
/// replaces them, and its counts begin anew.
pub(super) async fn start_again(transaction: &mut dyn Transaction, tenant: TenantId) -> Result<(), StoreError> {
    let update = sql("UPDATE candidate_policy SET version = version + 1, comparisons = $2 WHERE tenant_id = $1");
    transaction.execute(update.bind(tenant).bind(to_text(&Comparisons::default())?)).await.map(drop)
}

/// Removes what is stored of the candidates of a tenant that is deleted.
pub(super) async fn remove(transaction: &mut dyn Transaction, tenant: &str) -> Result<(), StoreError> {
    let delete = sql("DELETE FROM candidate_policy WHERE tenant_id = $1").bind(tenant);
    transaction.execute(delete).await.map(drop)
}
