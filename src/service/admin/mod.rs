//! The administration: one file for each group of operations.

mod attempts;
mod audit;
mod candidates;
mod denials;
mod endpoints;
mod imports;
mod instances;
mod overlaps;
mod posture;
mod resets;
mod settings;
mod subjects;
mod tenants;
mod tokens;

pub(in crate::service) use imports::DryRuns;
pub use imports::Import;

use super::gates::{Directory, Scope};
use super::{Call, Service, ServiceError};
use crate::domain::caller::CallerKind;
use crate::domain::field::FieldProblem;
use crate::domain::names::TenantName;

impl Call {
    /// The tenant of a request: the one that it names, else the caller's own. An operator has none.
    fn tenant_or_own(&self, named: Option<TenantName>) -> Result<TenantName, ServiceError> {
        let missing = || ServiceError::invalid_field("tenant", FieldProblem::Missing);
        named.or_else(|| self.caller().tenant().cloned()).ok_or_else(missing)
    }
}

impl Service {
    /// Opens the tenant for a permitted caller, who learns whether the tenant exists.
    async fn directory(&self, call: Call, named: Option<TenantName>) -> Result<Directory<'_>, ServiceError> {
        let tenant = call.tenant_or_own(named)?;
        self.gates.directory(call, tenant).await
    }

    /// Opens the tenant, or all of them if an operator names none.
    async fn scope(&self, call: Call, named: Option<TenantName>) -> Result<Scope<'_>, ServiceError> {
        if named.is_none() && call.caller().kind() == CallerKind::Operator {
            return Ok(self.gates.tenants(call).await?.into());
        }
        Ok(self.directory(call, named).await?.into())
    }
}
