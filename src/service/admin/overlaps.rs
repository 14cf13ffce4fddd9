//! Rotating a password without an outage: how long the previous one stays valid, and which callers still use it.

use std::time::Duration;

use crate::domain::names::TenantName;
use crate::domain::overlap::OverlapState;
use crate::domain::subject::SubjectName;
use crate::service::{Call, Service, ServiceError};

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
        self.gates.set_overlap(&permit, length).await
    }

    /// Describes the two passwords of a subject, and which callers use which.
    pub async fn describe_password_overlap(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<OverlapState, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.overlap(&permit).await
    }

    /// Ends the current overlap: from now on only the current password is valid.
    pub async fn end_password_overlap(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<OverlapState, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.end_overlap(&permit).await
    }
}
