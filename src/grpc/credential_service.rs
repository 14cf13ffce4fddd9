//! `credential.v1.CredentialService`: the four ways to change a password.

use std::sync::Arc;

use super::generated::credential::v1 as wire;
use super::rpc_methods::rpc_methods;
use crate::domain::names::{AccountName, DomainName, InstanceId};
use crate::edge::{Fields, RequestId};
use crate::service::requests::{ChangeOwnPassword, ModifyAccountPassword, ModifyPwByDomain};
use crate::service::{Call, Service, ServiceError};
use wire::credential_service_server::CredentialService;

/// The service on the wire.
pub(super) struct CredentialEdge(pub(super) Arc<Service>);

rpc_methods! {
    CredentialService for CredentialEdge {
        modify_pw_by_domain(ModifyPwByDomainRequest) -> ModifyPwByDomainResponse = modify_pw_by_domain;
        change_password(ChangePasswordRequest) -> ChangePasswordResponse = change_password;
        change_password_v5(ChangePasswordV5Request) -> ChangePasswordV5Response = change_password_v5;
        modify_account_password(ModifyAccountPasswordRequest) -> ModifyAccountPasswordResponse
            = modify_account_password;
    }
}

async fn modify_pw_by_domain(
    service: &Service,
    call: Call,
    message: wire::ModifyPwByDomainRequest,
) -> Result<wire::ModifyPwByDomainResponse, ServiceError> {
    let mut fields = Fields::default();
    let domain = fields.take("domain_name", DomainName::parse(&message.domain_name));
    let new_password = fields.new_password("password", message.password);
    let guards = fields.guards(message.expected_version, &message.client_token);
    let request = fields.all(|| Some(ModifyPwByDomain { domain: domain?, new_password: new_password?, guards }))?;
    let request_id = RequestId(call.request_id).to_string();
    let version = service.modify_pw_by_domain(call, request).await?.number();
    let (code, message) = ("OK".to_owned(), "the password was changed".to_owned());
    Ok(wire::ModifyPwByDomainResponse { code, message, request_id, success: true, version })
}

async fn change_password(
    service: &Service,
    call: Call,
    message: wire::ChangePasswordRequest,
) -> Result<wire::ChangePasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let old_password = fields.password("old_password", message.old_password);
    let new_password = fields.new_password("new_password", message.new_password);
    let guards = fields.guards(message.expected_version, &message.client_token);
    let request =
        fields.all(|| Some(ChangeOwnPassword { old_password: old_password?, new_password: new_password?, guards }))?;
    let request_id = RequestId(call.request_id).to_string();
    let version = service.change_password(call, request).await?.number();
    Ok(wire::ChangePasswordResponse { request_id, version })
}

async fn change_password_v5(
    service: &Service,
    call: Call,
    message: wire::ChangePasswordV5Request,
) -> Result<wire::ChangePasswordV5Response, ServiceError> {
    let mut fields = Fields::default();
    let new_password = fields.new_password("new_password", message.new_password);
    let old_password = fields.password("old_password", message.old_password);
    let guards = fields.guards(message.expected_version, &message.client_token);
    let request =
        fields.all(|| Some(ChangeOwnPassword { old_password: old_password?, new_password: new_password?, guards }))?;
    let version = service.change_password_v5(call, request).await?.number();
    Ok(wire::ChangePasswordV5Response { version })
}

async fn modify_account_password(
    service: &Service,
    call: Call,
    message: wire::ModifyAccountPasswordRequest,
) -> Result<wire::ModifyAccountPasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let instance = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    let account = fields.take("account_name", AccountName::parse(&message.account_name));
    let old_password = fields.password("old_account_password", message.old_account_password);
    let new_password = fields.new_password("new_account_password", message.new_account_password);
    let deliver = fields.deliver(message.deliver);
    let guards = fields.guards(message.expected_version, &message.client_token);
    let request = fields.all(|| {
        Some(ModifyAccountPassword {
            instance: instance?,
            account: account?,
            old_password: old_password?,
            new_password: new_password?,
            deliver: deliver?,
            guards,
        })
    })?;
    let request_id = RequestId(call.request_id).to_string();
    let changed = service.modify_account_password(call, request).await?;
    let (version, delivery) = (changed.version.number(), changed.delivery.map(Into::into));
    Ok(wire::ModifyAccountPasswordResponse { request_id, version, delivery })
}
