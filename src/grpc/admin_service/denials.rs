//! Refusals, as administrators read them.

use super::wire;
use crate::domain::names::AuthorizationMessage;
use crate::edge::{Fields, RequestId};
use crate::grpc::convert::times::timestamp;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn decode(
    service: &Service,
    call: Call,
    message: wire::DecodeAuthorizationMessageRequest,
) -> Result<wire::DecodeAuthorizationMessageResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let encoded = fields.take("encoded_message", AuthorizationMessage::parse(&message.encoded_message));
    let (tenant, encoded) = fields.all(|| Some((tenant, encoded?)))?;
    let denial = service.decode_authorization_message(call, tenant, encoded).await?;
    Ok(wire::DecodeAuthorizationMessageResponse {
        time: Some(timestamp(denial.at)),
        expire_time: Some(timestamp(denial.readable().end())),
        request_id: RequestId(denial.request_id).to_string(),
        caller: denial.caller,
        action: denial.action.name().to_owned(),
        resource: denial.resource,
        explicit_deny: denial.is_explicit,
        policies: denial.policies,
        policies_left_out: denial.left_out,
    })
}
