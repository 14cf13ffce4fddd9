//! `ModifyPWByDomain`: the subject is a mail domain of the caller's tenant, and no old password is required.

use super::change::{PasswordChange, change};
use super::requests::{Effects, ModifyPwByDomain, WantedPassword};
use super::{Call, Service, ServiceError};
use crate::domain::credential::Version;
use crate::domain::subject::SubjectName;

impl Service {
    /// Sets the password of a mail domain.
    pub async fn modify_pw_by_domain(&self, call: Call, request: ModifyPwByDomain) -> Result<Version, ServiceError> {
        let wanted = PasswordChange {
            tenant: call.own_tenant()?.clone(),
            name: SubjectName::MailDomain(request.domain),
            old_password: None,
            wanted: WantedPassword::Given(request.new_password),
            is_temporary: false,
            effects: Effects::default(),
            guards: request.guards,
        };
        Ok(change(&self.gates, call, wanted).await?.version)
    }
}
