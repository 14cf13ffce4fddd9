//! The settings of a tenant: both password policies and the security preference.

use super::wire;
use crate::domain::names::TenantName;
use crate::domain::settings::{
    IamPasswordPolicy, IamPasswordPolicyChange, RamPasswordPolicy, RamPasswordPolicyChange, SecurityPreferenceChange,
};
use crate::edge::{Fields, RequestId};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn get_password_policy(
    service: &Service,
    call: Call,
    message: wire::GetPasswordPolicyRequest,
) -> Result<wire::GetPasswordPolicyResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let policy = service.ram_password_policy(call, tenant_of(&message.tenant)?).await?;
    Ok(wire::GetPasswordPolicyResponse { password_policy: Some(policy.into()), request_id })
}

pub(super) async fn set_password_policy(
    service: &Service,
    call: Call,
    message: wire::SetPasswordPolicyRequest,
) -> Result<wire::SetPasswordPolicyResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let change = RamPasswordPolicyChange::from(&message);
    let mut fields = Fields::default();
    fields.settings(RamPasswordPolicy::default().with(&change));
    let tenant = fields.tenant(&message.tenant);
    let policy = service.set_ram_password_policy(call, fields.all(|| Some(tenant))?, change).await?;
    Ok(wire::SetPasswordPolicyResponse { password_policy: Some(policy.into()), request_id })
}

pub(super) async fn show_password_policy_v5(
    service: &Service,
    call: Call,
    message: wire::ShowPasswordPolicyV5Request,
) -> Result<wire::ShowPasswordPolicyV5Response, ServiceError> {
    let policy = service.iam_password_policy(call, tenant_of(&message.tenant)?).await?;
    Ok(wire::ShowPasswordPolicyV5Response { password_policy: Some(policy.into()) })
}

pub(super) async fn update_password_policy_v5(
    service: &Service,
    call: Call,
    message: wire::UpdatePasswordPolicyV5Request,
) -> Result<wire::UpdatePasswordPolicyV5Response, ServiceError> {
    let change = IamPasswordPolicyChange::from(&message);
    let mut fields = Fields::default();
    fields.settings(IamPasswordPolicy::default().with(&change));
    let tenant = fields.tenant(&message.tenant);
    let policy = service.set_iam_password_policy(call, fields.all(|| Some(tenant))?, change).await?;
    Ok(wire::UpdatePasswordPolicyV5Response { password_policy: Some(policy.into()) })
}

pub(super) async fn get_security_preference(
    service: &Service,
    call: Call,
    message: wire::GetSecurityPreferenceRequest,
) -> Result<wire::GetSecurityPreferenceResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let preference = service.security_preference(call, tenant_of(&message.tenant)?).await?;
    Ok(wire::GetSecurityPreferenceResponse { security_preference: Some(preference.into()), request_id })
}

pub(super) async fn set_security_preference(
    service: &Service,
    call: Call,
    message: wire::SetSecurityPreferenceRequest,
) -> Result<wire::SetSecurityPreferenceResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let change = SecurityPreferenceChange { allow_user_to_change_password: message.allow_user_to_change_password };
    let preference = service.set_security_preference(call, tenant_of(&message.tenant)?, change).await?;
    Ok(wire::SetSecurityPreferenceResponse { security_preference: Some(preference.into()), request_id })
}

fn tenant_of(text: &str) -> Result<Option<TenantName>, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(text);
    fields.all(|| Some(tenant))
}
