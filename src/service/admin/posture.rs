//! How the stored passwords are hashed.

use crate::domain::names::TenantName;
use crate::service::requests::HashPosture;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Describes how the passwords of a tenant are hashed, or those of all tenants if an operator names none.
    pub async fn describe_hash_posture(
        &self,
        call: Call,
        tenant: Option<TenantName>,
    ) -> Result<HashPosture, ServiceError> {
        self.scope(call, tenant).await?.hash_posture().await
    }
}
