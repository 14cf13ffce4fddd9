//! Refusals, as administrators read them.

use serde_json::json;

use super::Outcome;
use crate::domain::names::AuthorizationMessage;
use crate::edge::RequestId;
use crate::http::message::Message;
use crate::service::{Call, Service};

pub(super) async fn decode(service: &Service, call: Call, mut message: Message) -> Outcome {
    let encoded = message.take("encoded_message", |text| AuthorizationMessage::parse(&text));
    let encoded = message.all(|| encoded)?;
    let denial = service.decode_authorization_message(call, None, encoded).await?;
    // The vendor's is a text with JSON in it, too.
    let decoded = json!({
        "context": {
            "caller": denial.caller,
            "action": denial.action.name(),
            "resource": denial.resource,
            "request_id": RequestId(denial.request_id).to_string(),
            "time": denial.at.to_string(),
            "policies": denial.policies,
            "policies_left_out": denial.left_out,
        },
        "failure": if denial.is_explicit { "explicit deny by policy" } else { "implicit deny by policy" },
    });
    Ok(json!({ "decoded_message": decoded.to_string() }))
}
