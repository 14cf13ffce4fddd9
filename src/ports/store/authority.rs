//! In whose name something is written.

use crate::domain::audit_event::AuditEvent;
use crate::domain::evidence::Evidence;
use crate::domain::tenant::TenantId;

/// In whose name something is written: the audit event of the write, and what has to hold for it.
///
/// A store MUST check both in the transaction of the write, in such a way that neither can end before the transaction does:
/// a write is not committed after the token was revoked or the tenant deleted. Where one does not hold, it changes nothing
/// and answers [`EvidenceGone`](super::StoreError::EvidenceGone) or [`TenantGone`](super::StoreError::TenantGone).
#[derive(Debug, Clone)]
pub struct Authority {
    /// The record of the write.
    pub event: AuditEvent,
    /// What proves the caller at the time of the event; `None` for a caller in the same process, who needs no token.
    pub evidence: Option<Evidence>,
    /// The tenant that the write was permitted in, where it was in one.
    pub tenant: Option<TenantId>,
}

impl Authority {
    /// That of the process itself: nothing has to hold.
    pub const fn of_process(event: AuditEvent) -> Self {
        Self { event, evidence: None, tenant: None }
    }
}
