//! The two configurable password policies and the security preference.

use crate::domain::names::TenantName;
use crate::domain::tenant_settings::{SettingGroup, TenantSettings};
use crate::ports::retries::TRIES_IN_A_RACE;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// A group of the settings of a tenant.
    pub async fn settings<G: SettingGroup>(&self, call: Call, tenant: Option<TenantName>) -> Result<G, ServiceError> {
        Ok(G::of(&self.directory(call, tenant).await?.settings().await?))
    }

    /// Changes a group of the settings of a tenant: reads, changes and replaces them if no other change came in between.
    pub async fn change_settings<G: SettingGroup>(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        change: G::Change,
    ) -> Result<G, ServiceError> {
        let changed = |old: &TenantSettings| G::changed(old, &change).map_err(ServiceError::InvalidFields);
        // A value that is out of range is so whatever is stored, and is reported before the permission is checked.
        changed(&TenantSettings::default())?;
        let directory = self.directory(call, tenant).await?;
        for _ in 0..TRIES_IN_A_RACE {
            let old = directory.settings().await?;
            let new = changed(&old)?;
            if directory.replace_settings(&old, &new).await? {
                return Ok(G::of(&new));
            }
        }
        Err(ServiceError::Internal("the settings kept changing"))
    }
}
