//! The wrong passwords that count for a subject.

use crate::domain::attempts::CallerKey;
use crate::domain::names::{Origin, TenantName};
use crate::domain::page::PageRequest;
use crate::domain::subject::SubjectName;
use crate::service::requests::FailuresOnSubject;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Lists the callers whose wrong passwords count for a subject; with an origin, those that gave it.
    pub async fn list_attempts(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
        origin: Option<Origin>,
        page: PageRequest,
    ) -> Result<FailuresOnSubject, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.failures(&permit, origin.as_ref(), &page).await
    }

    /// Clears the wrong passwords that count for a subject: of one caller, or of all. Returns whether there
    /// were any.
    pub async fn clear_attempts(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
        of: Option<CallerKey>,
    ) -> Result<bool, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.clear_failures(&permit, of).await
    }
}
