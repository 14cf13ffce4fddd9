//! `CheckPassword` and `GeneratePassword`: they use the same policy object that changes are checked against.

use super::{Call, Service, ServiceError};
use crate::domain::password::{NewPassword, Password};
use crate::domain::subject::SubjectName;
use crate::policy::{Policy, Violation};

impl Service {
    /// Every rule of the subject's policy that a password breaks. The password is never compared with the stored ones.
    pub async fn check_password(
        &self,
        call: Call,
        name: SubjectName,
        password: NewPassword,
    ) -> Result<Vec<Violation>, ServiceError> {
        Ok(self.policy_of(call, name, Some(&password)).await?.violations(&password))
    }

    /// A password that the subject's policy accepts. Nothing is stored.
    pub async fn generate_password(&self, call: Call, name: SubjectName) -> Result<Password, ServiceError> {
        let policy = self.policy_of(call, name, None).await?;
        Ok(self.gates.generate(&policy)?.into_password())
    }

    async fn policy_of(
        &self,
        call: Call,
        name: SubjectName,
        given: Option<&NewPassword>,
    ) -> Result<Policy, ServiceError> {
        let tenant = call.own_tenant()?.clone();
        let permit = self.gates.permit_subject(call, tenant, name).await?;
        self.gates.policy_of(&permit, permit.subject()?, given).await
    }
}
