//! Refusals, as administrators read them.

use crate::domain::denial::Denial;
use crate::domain::names::{AuthorizationMessage, TenantName};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Decodes the message of a refusal that belongs to a tenant, or to none if an operator names none.
    pub async fn decode_authorization_message(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        message: AuthorizationMessage,
    ) -> Result<Denial, ServiceError> {
        self.scope(call, tenant).await?.denial(&message).await
    }
}
