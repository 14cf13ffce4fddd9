//! The audit log.

use crate::domain::caller::CallerKind;
use crate::domain::names::TenantName;
use crate::service::gates::AuditReader;
use crate::service::requests::AuditQuery;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Reads the audit log of a tenant, or of all tenants if an operator names none.
    pub async fn list_audit_events(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        query: AuditQuery,
    ) -> Result<AuditReader, ServiceError> {
        let of_all = tenant.is_none() && call.caller().kind() == CallerKind::Operator;
        let tenant = if of_all { None } else { Some(call.tenant_or_own(tenant)?) };
        self.gates.audit_reader(call, tenant, query).await
    }
}
