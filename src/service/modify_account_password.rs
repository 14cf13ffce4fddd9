//! `ModifyAccountPassword`: the subject is an account of an instance of the caller's tenant.

use super::change::{PasswordChange, change};
use super::requests::{Changed, Effects, ModifyAccountPassword, WantedPassword};
use super::{Call, Service, ServiceError};
use crate::domain::subject::SubjectName;

impl Service {
    /// Changes the password of an instance account.
    pub async fn modify_account_password(
        &self,
        call: Call,
        request: ModifyAccountPassword,
    ) -> Result<Changed, ServiceError> {
        let wanted = PasswordChange {
            tenant: call.own_tenant()?.clone(),
            name: SubjectName::account(request.instance, request.account),
            old_password: Some(request.old_password),
            wanted: WantedPassword::Given(request.new_password),
            is_temporary: false,
            effects: Effects { deliver: request.deliver, ..Effects::default() },
            guards: request.guards,
        };
        change(&self.gates, call, wanted).await
    }
}
