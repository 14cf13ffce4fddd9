//! Rotating a password without an outage: how long the previous one stays valid, and which callers still use it.

use std::time::Duration;

use crate::domain::audit_event::AuditOutcome;
use crate::domain::names::TenantName;
use crate::domain::overlap::OverlapState;
use crate::domain::subject::SubjectName;
use crate::service::gates::SubjectPermit;
use crate::service::{Call, Service, ServiceError};

/// How many callers of each password are listed.
const CALLERS: u32 = 50;

impl Service {
    /// Sets for how long after a change the previous password stays valid. A current overlap is never extended.
    pub async fn set_password_overlap(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
        length: Duration,
    ) -> Result<OverlapState, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        let authority = self.gates.authority(permit.permit(), AuditOutcome::Done);
        self.gates.overlaps(&permit).set_overlap(permit.subject()?.id, length, &authority).await?;
        self.overlap(&permit).await
    }

    /// Describes the two passwords of a subject, and which callers use which.
    pub async fn describe_password_overlap(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<OverlapState, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.overlap(&permit).await
    }

    /// Ends the current overlap: from now on only the current password is valid.
    pub async fn end_password_overlap(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<OverlapState, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        let authority = self.gates.authority(permit.permit(), AuditOutcome::Done);
        self.gates.overlaps(&permit).end_overlap(permit.subject()?.id, &authority).await?;
        self.overlap(&permit).await
    }

    async fn overlap(&self, permit: &SubjectPermit) -> Result<OverlapState, ServiceError> {
        let state = self.gates.overlaps(permit).overlap(permit.subject()?.id, CALLERS).await?;
        let mut state = state.ok_or_else(|| permit.not_found())?;
        // An overlap that is over is kept a while longer, but is no longer valid.
        state.overlap.window = state.overlap.window.filter(|window| window.is_open(self.gates.now()));
        if state.overlap.window.is_none() {
            state.previous = None;
        }
        Ok(state)
    }
}
