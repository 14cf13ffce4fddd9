//! `ChangePasswordV5`: the subject is the calling IAM user.

use super::change::{PasswordChange, change};
use super::requests::{ChangeOwnPassword, Effects, WantedPassword};
use super::{Call, Service, ServiceError};
use crate::domain::caller::Caller;
use crate::domain::credential::Version;
use crate::domain::subject::SubjectName;

impl Service {
    /// Changes the password of the calling IAM user.
    pub async fn change_password_v5(&self, call: Call, request: ChangeOwnPassword) -> Result<Version, ServiceError> {
        let Caller::IamUser(tenant, id, _) = call.caller() else {
            return Err(ServiceError::CallerNotEligible(call.caller.action()));
        };
        let wanted = PasswordChange {
            tenant: tenant.clone(),
            name: SubjectName::IamUser(id.clone()),
            old_password: Some(request.old_password),
            wanted: WantedPassword::Given(request.new_password),
            is_temporary: false,
            effects: Effects::default(),
            guards: request.guards,
        };
        Ok(change(&self.gates, call, wanted).await?.version)
    }
}
