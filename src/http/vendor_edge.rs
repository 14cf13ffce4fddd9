//! From a request to its answer.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Response};
use serde_json::Value;

use super::answer::{Refusal, Shape};
use super::message::Message;
use super::operations::Operation;
use super::parameters::{ParameterProblem, Parameters};
use super::request::ReceivedRequest;
use super::signature::ClaimedSignature;
use super::signature::sdk_hmac::CLIENT_TOKEN;
use super::vendor::Vendor;
use crate::domain::action::Action;
use crate::edge::{self, CorrelationId, Explanation, Measured, Measures, Reason, RequestContext, RequestId, Times};
use crate::ports::meter::StatusCode;
use crate::ports::spans::{Protocol, TRACEPARENT};
use crate::ports::{Entropy, PeerCertificate, SignatureProblem, TransportProblem};
use crate::service::{Service, ServiceError};

/// The settings of the edge.
#[derive(Debug, Clone)]
pub struct VendorSettings {
    /// The longest time that a request may take. Some callers give up after three seconds, and must not be left with a
    /// password that they do not know.
    pub longest_request: Duration,
    /// The name of the host, for answers.
    pub host: String,
}

/// Answers the requests of the vendors' SDKs.
pub struct VendorEdge {
    service: Arc<Service>,
    settings: VendorSettings,
    entropy: Arc<dyn Entropy>,
    measures: Measures,
}

impl VendorEdge {
    /// Puts the edge on top of the use cases.
    pub fn new(service: Arc<Service>, settings: VendorSettings, entropy: Arc<dyn Entropy>, measures: Measures) -> Self {
        Self { service, settings, entropy, measures }
    }

    /// Answers a request whose body is there, and which began to arrive at that moment. Never fails.
    pub async fn answer(
        &self,
        head: &Parts,
        body: &[u8],
        peer: SocketAddr,
        certificate: Option<&PeerCertificate>,
        began: Instant,
    ) -> Response<Bytes> {
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let request = ReceivedRequest { method: &head.method, path, query, headers: &head.headers, body };
        let vendor = Vendor::of(head);
        let parameters = request.parameters();
        let operation = parameters.as_ref().ok().and_then(|parameters| Operation::of(vendor, &request, parameters));
        let action = operation.map(|operation| operation.action);
        let context = self.context(Some(head), action, peer, began);
        let (request_id, times) = (context.request_id, context.times);
        let measured = Measured::begin(&self.measures, &context, began);
        let is_xml = parameters.as_ref().is_ok_and(|parameters| wants_xml(vendor, &head.headers, parameters));
        let shape = Shape { vendor: Some(vendor), is_xml, request_id, host: &self.settings.host };

        let outcome = self.outcome(vendor, operation, &request, parameters, certificate, &context);
        let outcome = context.record.around(self.measures.logged.span(&context), outcome);
        let time = times.deadline.remaining(self.measures.clock.instant());
        let outcome = tokio::time::timeout(time, AssertUnwindSafe(outcome).catch_unwind()).await;
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!(%request_id, %peer, "a request panicked");
                Err(Explanation::of_reason(Reason::Internal).into())
            }
            // Work that must go on is detached by now.
            Err(_) => Err(Explanation::of_error(&ServiceError::DeadlineExceeded, &context).into()),
        };
        if let Err(refusal) = &outcome {
            context.record.note_reason(refusal.reason().label());
        }
        measured.end(outcome.as_ref().map_or_else(|refusal| refusal.reason().status_code(), |_| StatusCode::Ok));
        match outcome {
            Ok(answer) => shape.success(&operation.map(Operation::root).unwrap_or_default(), answer),
            Err(refusal) => shape.refused(refusal),
        }
    }

    /// The answer to a request that could not be read. What is known of its head chooses the shape.
    pub fn refuse(&self, head: Option<&Parts>, peer: SocketAddr, problem: TransportProblem) -> Response<Bytes> {
        let now = self.measures.clock.instant();
        let context = self.context(head, None, peer, now);
        let request_id = context.request_id;
        let vendor = head.map(Vendor::of);
        let refusal = Refusal::Transport(problem);
        context.record.note_reason(refusal.reason().label());
        Measured::begin(&self.measures, &context, now).end(refusal.reason().status_code());
        Shape { vendor, is_xml: false, request_id, host: &self.settings.host }.refused(refusal)
    }

    fn context(
        &self,
        head: Option<&Parts>,
        action: Option<Action>,
        peer: SocketAddr,
        began: Instant,
    ) -> RequestContext {
        let values =
            |name| head.into_iter().flat_map(move |head| head.headers.get_all(name)).map(HeaderValue::as_bytes);
        let request_id = RequestId(self.entropy.id());
        RequestContext {
            request_id,
            correlation_id: CorrelationId::of_values(values("x-request-id")),
            action,
            times: Times::new(None, self.settings.longest_request, action, began),
            peer,
            record: self.measures.record(request_id, values(TRACEPARENT), Protocol::Http, began, &*self.entropy),
        }
    }

    async fn outcome(
        &self,
        vendor: Vendor,
        operation: Option<&Operation>,
        request: &ReceivedRequest<'_>,
        parameters: Result<Parameters, ParameterProblem>,
        certificate: Option<&PeerCertificate>,
        context: &RequestContext,
    ) -> Result<Value, Refusal> {
        let parameters = parameters?;
        let operation = operation.ok_or_else(|| Explanation::of_reason(Reason::UnknownMethod))?;
        // A signature in the parameters covers no path and no JSON.
        let claimed = if vendor == Vendor::Huawei && !request.headers.contains_key(AUTHORIZATION) {
            Err(SignatureProblem::Absent)
        } else {
            ClaimedSignature::of(request, &parameters)
        };
        let signature =
            claimed.inspect_err(|problem| edge::note_unchecked_signature(&self.service, *problem, context))?;
        let values = |name: &'static str| request.headers.get_all(name).iter().map(HeaderValue::to_str).map(Result::ok);
        let call = edge::authenticate_signed(&self.service, &signature, values, certificate, context).await?;
        let of_call = call.clone();
        let message = match vendor {
            Vendor::Alibaba => Ok(Message::of_parameters(parameters)),
            Vendor::Huawei => Message::of_json(request.body, request.header(CLIENT_TOKEN).unwrap_or_default()),
        };
        let outcome = match message {
            Ok(message) => operation.perform(&self.service, call, message).await,
            Err(error) => Err(error),
        };
        let outcome = edge::disclosed(&self.service, &of_call, outcome).await;
        outcome.map_err(|error| Explanation::of_error(&error, context).into())
    }
}

/// Whether the answer has to be XML: if the request says so. Python's SDKs that sign in the parameters read none, though
/// one of them can be made to ask for it.
fn wants_xml(vendor: Vendor, headers: &HeaderMap, parameters: &Parameters) -> bool {
    let is_asked = parameters.value("Format").is_some_and(|format| format.eq_ignore_ascii_case("xml"));
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_python = agent.windows(6).any(|window| window == b"Python");
    vendor == Vendor::Alibaba && is_asked && (headers.contains_key(AUTHORIZATION) || !is_python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_for_sdks_that_ask_for_it_and_can_read_it() {
        const PYTHON: &str = "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/2.16.1";
        let headers = |authorization: &str, agent: &str| {
            let pairs = [(AUTHORIZATION, authorization), (USER_AGENT, agent)];
            let present = pairs.into_iter().filter(|(_, value)| !value.is_empty());
            present.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap())).collect::<HeaderMap>()
        };
        let acs3 = "ACS3-HMAC-SHA256 Credential=a";
        for (vendor, query, authorization, agent, expected) in [
            (Vendor::Alibaba, "Format=XML", acs3, "", true),
            (Vendor::Alibaba, "Format=xml", acs3, PYTHON, true),
            (Vendor::Alibaba, "Format=XML", "", "", true),
            (Vendor::Alibaba, "Format=XML", "", "AlibabaCloud (linux; x64) Node.js/v20", true),
            (Vendor::Alibaba, "Format=XML", "", PYTHON, false),
            (Vendor::Alibaba, "Format=JSON", acs3, "", false),
            (Vendor::Alibaba, "", acs3, "", false),
            (Vendor::Huawei, "Format=XML", "SDK-HMAC-SHA256 Access=a", "", false),
        ] {
            let parameters = Parameters::parse(query, "").unwrap();
            let found = wants_xml(vendor, &headers(authorization, agent), &parameters);
            assert_eq!(found, expected, "{vendor:?} {query} {authorization} {agent}");
        }
    }
}
