//! One call of an RPC: its caller and its deadline.

use uuid::Uuid;

use crate::domain::caller::{Caller, EligibleCaller};
use crate::domain::names::TenantName;
use crate::ports::{Deadline, Evidence};
use crate::service::ServiceError;

/// One call of an RPC.
#[derive(Debug, Clone)]
pub struct Call {
    /// The caller and the action; the kind of caller can use the action at all.
    pub caller: EligibleCaller,
    /// The evidence for the caller; `None` for a caller in the same process.
    pub evidence: Option<Evidence>,
    /// The id of the request.
    pub request_id: Uuid,
    /// The caller's own id of the request, if it sent one.
    pub correlation_id: Option<String>,
    /// When the caller stops waiting for the response.
    pub deadline: Deadline,
}

impl Call {
    /// The caller.
    pub const fn caller(&self) -> &Caller {
        self.caller.caller()
    }

    /// The caller's own tenant.
    pub(super) fn own_tenant(&self) -> Result<&TenantName, ServiceError> {
        self.caller().tenant().ok_or(ServiceError::CallerNotEligible(self.caller.action()))
    }
}
