//! New passwords without the old ones.

use super::wire;
use crate::domain::credential::ExpectedVersion;
use crate::edge::{Fields, RequestId};
use crate::grpc::convert::passwords::exposed;
use crate::service::requests::WantedPassword;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn reset_password(
    service: &Service,
    call: Call,
    message: wire::ResetPasswordRequest,
) -> Result<wire::ResetPasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let subject = fields.subject(message.subject);
    let wanted = fields.wanted_password(message.new_password);
    let expected_version = message.expected_version.map(ExpectedVersion);
    let (subject, wanted) = fields.all(|| Some((subject?, wanted?)))?;
    let reset = service.reset_password(call, tenant, subject, wanted, expected_version).await?;
    Ok(wire::ResetPasswordResponse {
        version: reset.version.number(),
        generated_password: exposed(reset.generated.as_deref()),
    })
}

pub(super) async fn reset_account_password(
    service: &Service,
    call: Call,
    message: wire::ResetAccountPasswordRequest,
) -> Result<wire::ResetAccountPasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let account = fields.account(&message.instance_id, &message.account_name);
    let password = fields.new_password("account_password", message.account_password);
    let (account, wanted) = fields.all(|| Some((account?, WantedPassword::Given(password?))))?;
    let request_id = RequestId(call.request_id).to_string();
    let version = service.reset_password(call, tenant, account, wanted, None).await?.version.number();
    Ok(wire::ResetAccountPasswordResponse { request_id, version })
}
