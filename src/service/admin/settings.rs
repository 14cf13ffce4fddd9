//! The two configurable password policies and the security preference.

use crate::domain::field::InvalidField;
use crate::domain::names::TenantName;
use crate::domain::settings::{
    IamPasswordPolicy, IamPasswordPolicyChange, RamPasswordPolicy, RamPasswordPolicyChange, SecurityPreference,
    SecurityPreferenceChange, TenantSettings,
};
use crate::ports::retries::TRIES_IN_A_RACE;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// The RAM password policy of a tenant.
    pub async fn ram_password_policy(
        &self,
        call: Call,
        tenant: Option<TenantName>,
    ) -> Result<RamPasswordPolicy, ServiceError> {
        Ok(self.tenant_settings(call, tenant).await?.ram)
    }

    /// Changes the RAM password policy of a tenant.
    pub async fn set_ram_password_policy(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        change: RamPasswordPolicyChange,
    ) -> Result<RamPasswordPolicy, ServiceError> {
        let changed = |old: &TenantSettings| Ok(TenantSettings { ram: old.ram.with(&change)?, ..*old });
        Ok(self.change_settings(call, tenant, changed).await?.ram)
    }

    /// The IAM password policy of a tenant.
    pub async fn iam_password_policy(
        &self,
        call: Call,
        tenant: Option<TenantName>,
    ) -> Result<IamPasswordPolicy, ServiceError> {
        Ok(self.tenant_settings(call, tenant).await?.iam)
    }

    /// Changes the IAM password policy of a tenant.
    pub async fn set_iam_password_policy(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        change: IamPasswordPolicyChange,
    ) -> Result<IamPasswordPolicy, ServiceError> {
        let changed = |old: &TenantSettings| Ok(TenantSettings { iam: old.iam.with(&change)?, ..*old });
        Ok(self.change_settings(call, tenant, changed).await?.iam)
    }

    /// The security preference of a tenant.
    pub async fn security_preference(
        &self,
        call: Call,
        tenant: Option<TenantName>,
    ) -> Result<SecurityPreference, ServiceError> {
        Ok(self.tenant_settings(call, tenant).await?.preference)
    }

    /// Changes the security preference of a tenant.
    pub async fn set_security_preference(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        change: SecurityPreferenceChange,
    ) -> Result<SecurityPreference, ServiceError> {
        let changed = |old: &TenantSettings| Ok(TenantSettings { preference: old.preference.with(&change)?, ..*old });
        Ok(self.change_settings(call, tenant, changed).await?.preference)
    }

    async fn tenant_settings(&self, call: Call, tenant: Option<TenantName>) -> Result<TenantSettings, ServiceError> {
        self.directory(call, tenant).await?.settings().await
    }

    /// Reads, changes and replaces the settings if no other change came in between.
    async fn change_settings(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        changed: impl Fn(&TenantSettings) -> Result<TenantSettings, Vec<InvalidField>> + Send,
    ) -> Result<TenantSettings, ServiceError> {
        // A value that is out of range is so whatever is stored, and is reported before the permission is checked.
        changed(&TenantSettings::default()).map_err(ServiceError::InvalidFields)?;
        let directory = self.directory(call, tenant).await?;
        for _ in 0..TRIES_IN_A_RACE {
            let old = directory.settings().await?;
            let new = changed(&old).map_err(ServiceError::InvalidFields)?;
            if directory.replace_settings(&old, &new).await? {
                return Ok(new);
            }
        }
        Err(ServiceError::Internal("the settings kept changing"))
    }
}
