//! New passwords without the old ones.

use super::wire;
use crate::domain::credential::ExpectedVersion;
use crate::domain::field::FieldProblem;
use crate::edge::{Fields, RequestId};
use crate::grpc::convert::passwords::exposed;
use crate::service::requests::{Reset, WantedPassword};
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
    let is_temporary = message.password_reset_required;
    if is_temporary && subject.as_ref().is_some_and(|name| !name.kind().is_user()) {
        let problem = FieldProblem::Malformed { expected: "must be false unless the subject is a RAM or an IAM user" };
        fields.take::<()>("password_reset_required", Err(problem));
    }
    let expected_version = message.expected_version.map(ExpectedVersion);
    let reset = fields.all(|| Some(Reset { name: subject?, wanted: wanted?, is_temporary, expected_version }))?;
    let reset = service.reset_password(call, tenant, reset).await?;
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
    let reset = fields.all(|| {
        let (name, wanted) = (account?, WantedPassword::Given(password?));
        Some(Reset { name, wanted, is_temporary: false, expected_version: None })
    })?;
    let request_id = RequestId(call.request_id).to_string();
    let version = service.reset_password(call, tenant, reset).await?.version.number();
    Ok(wire::ResetAccountPasswordResponse { request_id, version })
}
