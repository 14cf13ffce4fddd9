//! One call of an RPC: who asks, and until when an answer is wanted.

use uuid::Uuid;

use crate::domain::caller::{Caller, EligibleCaller};
use crate::domain::evidence::Evidence;
use crate::domain::names::TenantName;
use crate::ports::Deadline;
use crate::service::ServiceError;

/// One call of an RPC.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asks, and for what; the kind of caller can use that at all.
    pub caller: EligibleCaller,
    /// What proved that; `None` for a caller in the same process.
    pub evidence: Option<Evidence>,
    /// The id of the request.
    pub request_id: Uuid,
    /// The caller's own id of the request, where it sent one.
    pub correlation_id: Option<String>,
    /// When the answer is no longer wanted.
    pub deadline: Deadline,
}

impl Call {
    /// Who asks.
    pub const fn caller(&self) -> &Caller {
        self.caller.caller()
    }

    /// The caller's own tenant.
    pub(super) fn own_tenant(&self) -> Result<&TenantName, ServiceError> {
        self.caller().tenant().ok_or(ServiceError::CallerNotEligible(self.caller.action()))
    }
}
