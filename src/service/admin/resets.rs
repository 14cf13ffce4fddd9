//! `ResetPassword` and `ResetAccountPassword`: the pipeline, entered without an old password.

use crate::domain::names::TenantName;
use crate::service::change::{PasswordChange, change};
use crate::service::requests::{Changed, Guards, Reset};
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
        let Reset { name, wanted, is_temporary, ends_tokens, expected_version } = reset;
        let guards = Guards { expected_version, client_token: None };
        let wanted = PasswordChange { tenant, name, old_password: None, wanted, is_temporary, ends_tokens, guards };
        change(&self.gates, call, wanted).await
    }
}
