//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;
use uuid::Uuid;

use super::answer::{Refusal, Shape};
use super::message::Message;
use super::operations::Operation;
use super::vendor::Vendor;
use super::{ClaimedSignature, Parameters, ReceivedRequest};
use crate::domain::action::Action;
use crate::edge::{Explanation, Reason, RequestId};

/// The form of the parameters that signatures cover.
pub fn canonical(parameters: &Parameters) -> String {
    parameters.canonical(None).to_string()
}

/// The same request, signed with that secret.
pub fn signed_with(claimed: ClaimedSignature, secret: &str) -> ClaimedSignature {
    claimed.signed_with(secret)
}

/// The action that a request names.
///
/// # Errors
/// The status and the body of the answer to a request that names none.
pub fn routed(head: &Parts, body: &[u8]) -> Result<Action, (u16, Bytes)> {
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let request = ReceivedRequest { method: &head.method, path, query, headers: &head.headers, body };
    let vendor = Vendor::of(head);
    let refusal = match request.parameters() {
        Ok(parameters) => match Operation::of(vendor, &request, &parameters) {
            Some(operation) => return Ok(operation.action),
            None => Refusal::from(Explanation::of_reason(Reason::UnknownMethod)),
        },
        Err(problem) => problem.into(),
    };
    let request_id = RequestId(Uuid::nil());
    let answer = Shape { vendor: Some(vendor), is_xml: false, request_id, host: "host" }.refused(refusal);
    Err((answer.status().as_u16(), answer.into_body()))
}

/// The members of a body that is a JSON object, or `None` if it is refused.
pub fn members(body: &[u8]) -> Option<BTreeMap<String, Value>> {
    Message::of_json(body, "").ok()?.into_members()
}
