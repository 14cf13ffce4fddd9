//! The four ways to change a password.

use serde_json::json;

use super::Outcome;
use crate::domain::delivery_progress::Deliver;
use crate::domain::names::{AccountName, DomainName, InstanceId};
use crate::domain::password::{NewPassword, Password};
use crate::http::message::Message;
use crate::service::requests::{ChangeOwnPassword, ModifyAccountPassword, ModifyPwByDomain};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn modify_pw_by_domain(service: &Service, call: Call, mut message: Message) -> Outcome {
    let domain = message.take("domain_name", |text| DomainName::parse(&text));
    let new_password = message.take("password", NewPassword::parse);
    let guards = message.guards();
    let request = message.all(|| Some(ModifyPwByDomain { domain: domain?, new_password: new_password?, guards }))?;
    service.modify_pw_by_domain(call, request).await?;
    Ok(json!({ "Code": "OK", "Message": "OK", "Success": true }))
}

pub(super) async fn change_password(service: &Service, call: Call, message: Message) -> Outcome {
    service.change_password(call, own_password(message)?).await?;
    Ok(json!({}))
}

pub(super) async fn change_password_v5(service: &Service, call: Call, message: Message) -> Outcome {
    service.change_password_v5(call, own_password(message)?).await?;
    Ok(json!({}))
}

pub(super) async fn modify_account_password(service: &Service, call: Call, mut message: Message) -> Outcome {
    let instance = message.take("instance_id", |text| InstanceId::parse(&text));
    let account = message.take("account_name", |text| AccountName::parse(&text));
    let old_password = message.take("old_account_password", Password::parse);
    let new_password = message.take("new_account_password", NewPassword::parse);
    let guards = message.guards();
    let request = message.all(|| {
        Some(ModifyAccountPassword {
            instance: instance?,
            account: account?,
            old_password: old_password?,
            new_password: new_password?,
            // The vendor's answer has no place for how far it is.
            deliver: Deliver::Background,
            guards,
        })
    })?;
    service.modify_account_password(call, request).await?;
    Ok(json!({}))
}

fn own_password(mut message: Message) -> Result<ChangeOwnPassword, ServiceError> {
    let old_password = message.take("old_password", Password::parse);
    let new_password = message.take("new_password", NewPassword::parse);
    let guards = message.guards();
    message.all(|| Some(ChangeOwnPassword { old_password: old_password?, new_password: new_password?, guards }))
}
