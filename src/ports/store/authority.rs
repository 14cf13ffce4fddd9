//! The authority of a write.

use crate::domain::audit_event::AuditEvent;
use crate::domain::tenant::TenantId;
use crate::ports::Evidence;

/// The authority of a write: its audit event, and the conditions for it.
///
/// A store MUST check the evidence and the tenant in the transaction of the write, in such a way that neither can end
/// before the transaction does: no write is committed after the token was revoked,
/// or the tenant or the subject of an external identity deleted. If either no
/// longer holds, the write changes nothing and returns [`EvidenceGone`](super::StoreError::EvidenceGone) or
/// [`TenantGone`](super::StoreError::TenantGone).
#[derive(Debug, Clone)]
pub struct Authority {
    /// The audit event of the write.
    pub event: AuditEvent,
    /// What proves the caller at the time of the event; `None` for a caller in the same process, which needs no token.
    pub evidence: Option<Evidence>,
    /// The tenant that the write was permitted in, if it was in a tenant.
    pub tenant: Option<TenantId>,
}

impl Authority {
    /// The authority of the process itself: without conditions.
    pub const fn of_process(event: AuditEvent) -> Self {
        Self { event, evidence: None, tenant: None }
    }
}
