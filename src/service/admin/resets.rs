//! `ResetPassword` and `ResetAccountPassword`: the pipeline, entered without an old password.

use crate::domain::names::TenantName;
use crate::service::change::{PasswordChange, change, check_reset};
use crate::service::requests::{Changed, PossibleReset, Reset};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Gives a subject of any kind a new password without its old one.
    pub async fn reset_password(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        reset: Reset,
    ) -> Result<Changed, ServiceError> {
        let tenant = call.tenant_or_own(tenant)?;
        let Reset { name, wanted, is_temporary, effects, guards } = reset;
        let wanted = PasswordChange { tenant, name, old_password: None, wanted, is_temporary, effects, guards };
        change(&self.gates, call, wanted).await
    }

    /// Checks a reset, and sets nothing. Reuse is not checked.
    pub async fn check_reset(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        reset: Reset,
    ) -> Result<PossibleReset, ServiceError> {
        let tenant = call.tenant_or_own(tenant)?;
        check_reset(&self.gates, call, tenant, reset).await
    }
}
