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
    let (is_temporary, ends_tokens) = (message.password_reset_required, message.end_access_tokens);
    let is_user = subject.as_ref().is_none_or(|name| name.kind().is_user());
    for (field, is_set) in [("password_reset_required", is_temporary), ("end_access_tokens", ends_tokens)] {
        if is_set && !is_user {
            let expected = "must be false unless the subject is a RAM or an IAM user";
            fields.take::<()>(field, Err(FieldProblem::Malformed { expected }));
        }
    }
    let expected_version = message.expected_version.map(ExpectedVersion);
    let reset = fields.all(|| {
        let (name, wanted) = (subject?, wanted?);
        Some(Reset { name, wanted, is_temporary, ends_tokens, expected_version })
    })?;
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
        Some(Reset { name, wanted, is_temporary: false, ends_tokens: false, expected_version: None })
    })?;
    let request_id = RequestId(call.request_id).to_string();
    let version = service.reset_password(call, tenant, reset).await?.version.number();
    Ok(wire::ResetAccountPasswordResponse { request_id, version })
}
