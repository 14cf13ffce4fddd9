//! New passwords without the old ones.

use super::wire;
use crate::domain::credential::Version;
use crate::domain::delivery_progress::Deliver;
use crate::domain::field::FieldProblem;
use crate::edge::{Fields, RequestId};
use crate::grpc::convert::passwords::exposed;
use crate::grpc::convert::statuses::Numbered;
use crate::service::requests::{Effects, Reset, WantedPassword};
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
    let keeps_previous = message.keep_previous;
    let is_user = subject.as_ref().map(|name| name.kind().is_user());
    for (field, is_set) in [("password_reset_required", is_temporary), ("end_access_tokens", ends_tokens)] {
        if is_set && is_user == Some(false) {
            let expected = "must be false unless the subject is a RAM or an IAM user";
            fields.take::<()>(field, Err(FieldProblem::Malformed { expected }));
        }
    }
    if keeps_previous && is_user == Some(true) {
        let expected = "must be false unless the subject is a mail domain or an instance account";
        fields.take::<()>("keep_previous", Err(FieldProblem::Malformed { expected }));
    }
    let deliver = fields.take("deliver", Deliver::specified(message.deliver)).flatten();
    if deliver.is_some() && subject.as_ref().is_some_and(|name| name.instance().is_none()) {
        let expected = "must be unset unless the subject is an instance account";
        fields.take::<()>("deliver", Err(FieldProblem::Malformed { expected }));
    }
    let guards = fields.guards(message.expected_version, &message.client_token);
    if guards.client_token.is_some() && matches!(wanted, Some(WantedPassword::Generated)) {
        let expected = "must be empty if the password is generated: a retry would generate another one";
        fields.take::<()>("client_token", Err(FieldProblem::Malformed { expected }));
    }
    let effects = Effects { ends_tokens, keeps_previous, deliver: deliver.unwrap_or_default() };
    let reset = fields.all(|| {
        let (name, wanted) = (subject?, wanted?);
        Some(Reset { name, wanted, is_temporary, effects, guards })
    })?;
    if message.validate_only {
        let possible = service.check_reset(call, tenant, reset).await?;
        return Ok(wire::ResetPasswordResponse {
            version: possible.version.map_or(0, Version::number),
            generated_password: exposed(possible.generated.as_deref()),
            delivery: None,
        });
    }
    let reset = service.reset_password(call, tenant, reset).await?;
    Ok(wire::ResetPasswordResponse {
        version: reset.version.number(),
        generated_password: exposed(reset.generated.as_deref()),
        delivery: reset.delivery.map(Into::into),
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
    let deliver = fields.deliver(message.deliver);
    let reset = fields.all(|| {
        let effects = Effects { deliver: deliver?, ..Effects::default() };
        Some(Reset { effects, ..Reset::of(account?, WantedPassword::Given(password?)) })
    })?;
    let request_id = RequestId(call.request_id).to_string();
    let reset = service.reset_password(call, tenant, reset).await?;
    let (version, delivery) = (reset.version.number(), reset.delivery.map(Into::into));
    Ok(wire::ResetAccountPasswordResponse { request_id, version, delivery })
}
