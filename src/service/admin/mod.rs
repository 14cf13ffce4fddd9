//! The administration: one file for each group of operations.

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

use super::gates::Permit;
use super::{Call, Service, ServiceError};
use crate::domain::caller::CallerKind;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::TenantName;
use crate::domain::resource::Resource;
use crate::service::error::Missing;

impl Call {
    /// The tenant of a request: the one that it names, else the caller's own. An operator has none.
    fn tenant_or_own(&self, named: Option<TenantName>) -> Result<TenantName, ServiceError> {
        let missing =
            || ServiceError::InvalidFields(vec![InvalidField { field: "tenant", problem: FieldProblem::Missing }]);
        named.or_else(|| self.caller().tenant().cloned()).ok_or_else(missing)
    }
}

impl Service {
    /// Decides on permission for the tenant. A permitted caller learns whether the tenant exists.
    async fn permit_tenant(&self, call: Call, named: Option<TenantName>) -> Result<Permit, ServiceError> {
        let tenant = call.tenant_or_own(named)?;
        let permit = self.gates.permit(call, &Resource::Tenant(tenant)).await?;
        permit.tenant().ok_or(ServiceError::NotFound(Missing::Tenant))?;
        Ok(permit)
    }

    /// Decides on permission for the tenant, or for the installation if an operator names no tenant.
    async fn permit_tenant_or_all(
        &self,
        call: Call,
        named: Option<TenantName>,
    ) -> Result<(Permit, Option<TenantName>), ServiceError> {
        if named.is_none() && call.caller().kind() == CallerKind::Operator {
            return Ok((self.gates.permit(call, &Resource::Installation).await?, None));
        }
        let permit = self.permit_tenant(call, named).await?;
        let tenant = permit.tenant_name().cloned();
        Ok((permit, tenant))
    }
}
