//! The settings of a tenant: both password policies, the login policy and the security preference.

use super::wire;
use crate::domain::names::TenantName;
use crate::domain::tenant_settings::{
    IamLoginPolicy, IamPasswordPolicy, RamPasswordPolicy, SecurityPreference, SettingGroup, TenantSettings,
};
use crate::edge::{Fields, RequestId};
use crate::grpc::convert::tenant_settings::iam_password_policy;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn get_password_policy(
    service: &Service,
    call: Call,
    message: wire::GetPasswordPolicyRequest,
) -> Result<wire::GetPasswordPolicyResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let policy: RamPasswordPolicy = read(service, call, &message.tenant).await?;
    Ok(wire::GetPasswordPolicyResponse { password_policy: Some(policy.into()), request_id })
}

pub(super) async fn set_password_policy(
    service: &Service,
    call: Call,
    message: wire::SetPasswordPolicyRequest,
) -> Result<wire::SetPasswordPolicyResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let policy: RamPasswordPolicy = change(service, call, &message.tenant, (&message).into()).await?;
    Ok(wire::SetPasswordPolicyResponse { password_policy: Some(policy.into()), request_id })
}

pub(super) async fn show_password_policy_v5(
    service: &Service,
    call: Call,
    message: wire::ShowPasswordPolicyV5Request,
) -> Result<wire::ShowPasswordPolicyV5Response, ServiceError> {
    let policy: IamPasswordPolicy = read(service, call, &message.tenant).await?;
    Ok(wire::ShowPasswordPolicyV5Response { password_policy: Some(iam_password_policy(policy)) })
}

pub(super) async fn update_password_policy_v5(
    service: &Service,
    call: Call,
    message: wire::UpdatePasswordPolicyV5Request,
) -> Result<wire::UpdatePasswordPolicyV5Response, ServiceError> {
    let policy: IamPasswordPolicy = change(service, call, &message.tenant, (&message).into()).await?;
    Ok(wire::UpdatePasswordPolicyV5Response { password_policy: Some(iam_password_policy(policy)) })
}

pub(super) async fn show_login_policy_v5(
    service: &Service,
    call: Call,
    message: wire::ShowLoginPolicyV5Request,
) -> Result<wire::ShowLoginPolicyV5Response, ServiceError> {
    let policy: IamLoginPolicy = read(service, call, &message.tenant).await?;
    Ok(wire::ShowLoginPolicyV5Response { login_policy: Some(policy.into()) })
}

pub(super) async fn update_login_policy_v5(
    service: &Service,
    call: Call,
    message: wire::UpdateLoginPolicyV5Request,
) -> Result<wire::UpdateLoginPolicyV5Response, ServiceError> {
    let policy: IamLoginPolicy = change(service, call, &message.tenant, (&message).into()).await?;
    Ok(wire::UpdateLoginPolicyV5Response { login_policy: Some(policy.into()) })
}

pub(super) async fn get_security_preference(
    service: &Service,
    call: Call,
    message: wire::GetSecurityPreferenceRequest,
) -> Result<wire::GetSecurityPreferenceResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let preference: SecurityPreference = read(service, call, &message.tenant).await?;
    Ok(wire::GetSecurityPreferenceResponse { security_preference: Some(preference.into()), request_id })
}

pub(super) async fn set_security_preference(
    service: &Service,
    call: Call,
    message: wire::SetSecurityPreferenceRequest,
) -> Result<wire::SetSecurityPreferenceResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    let preference: SecurityPreference = change(service, call, &message.tenant, (&message).into()).await?;
    Ok(wire::SetSecurityPreferenceResponse { security_preference: Some(preference.into()), request_id })
}

async fn read<G: SettingGroup>(service: &Service, call: Call, tenant: &str) -> Result<G, ServiceError> {
    service.settings(call, tenant_of(tenant)?).await
}

/// The tenant of a request that names nothing else.
pub(super) fn tenant_of(text: &str) -> Result<Option<TenantName>, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(text);
    fields.all(|| Some(tenant))
}

async fn change<G: SettingGroup>(
    service: &Service,
    call: Call,
    tenant: &str,
    change: G::Change,
) -> Result<G, ServiceError> {
    let tenant = change_of::<G>(tenant, &change)?;
    service.change_settings(call, tenant, change).await
}

/// The tenant of a change. Every bad field is reported.
pub(super) fn change_of<G: SettingGroup>(tenant: &str, change: &G::Change) -> Result<Option<TenantName>, ServiceError> {
    let mut fields = Fields::default();
    fields.take_all(G::changed(&TenantSettings::default(), change));
    let tenant = fields.tenant(tenant);
    fields.all(|| Some(tenant))
}
