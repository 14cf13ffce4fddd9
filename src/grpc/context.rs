//! The outermost layer: every request gets a context with an id, and every reply carries the id.

use std::iter;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use http::{Extensions, HeaderName, HeaderValue, Request};
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;

use super::http_service::HttpService;
use super::{deadline, reply, status};
use crate::domain::action::Action;
use crate::edge::{CorrelationId, Measured, Measures, Reason, RequestContext, RequestId, Times};
use crate::ports::Entropy;
use crate::ports::spans::{Protocol, TRACEPARENT};

/// The headers for the request's id in a reply, and for the caller's own id.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a context is made from, besides the request.
#[derive(Clone)]
pub(super) struct Contexts {
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) measures: Measures,
    /// The longest time that a request may take.
    pub(super) longest_request: Duration,
}

impl Contexts {
    fn of<B>(&self, request: &Request<B>, peer: SocketAddr, begun: Instant) -> RequestContext {
        let action = action_of(request.uri().path());
        let timeout = deadline::timeout_of(request.headers());
        let correlation_ids = request.headers().get_all(X_REQUEST_ID);
        // Looked up only if calls are traced.
        let parents = iter::once_with(|| request.headers().get_all(TRACEPARENT)).flatten().map(HeaderValue::as_bytes);
        let request_id = RequestId(self.entropy.id());
        RequestContext {
            request_id,
            correlation_id: CorrelationId::of_values(correlation_ids.iter().map(HeaderValue::as_bytes)),
            action,
            times: Times::new(timeout, self.longest_request, action, begun),
            peer,
            record: self.measures.record(request_id, parents, Protocol::Grpc, begun, &*self.entropy),
        }
    }
}

/// Gives every request its [`RequestContext`], among its extensions, and every reply its final form, and counts it. A
/// panic is an internal error like any other.
pub(super) fn with_contexts(inner: impl HttpService, contexts: Contexts, peer: SocketAddr) -> impl HttpService {
    service_fn(move |mut request: Request<Body>| {
        let begun = contexts.measures.clock.instant();
        let context = contexts.of(&request, peer, begun);
        let measured = Measured::begin(&contexts.measures, &context, begun);
        request.extensions_mut().insert(context.clone());
        // Called here, not in the future: inner layers start their timers before the transport starts its own.
        let answer = context.record.around(contexts.measures.logged.span(&context), inner.clone().call(request));
        let answer = AssertUnwindSafe(answer).catch_unwind();
        async move {
            let response = match answer.await {
                Ok(Ok(response)) => response,
                Err(_panic) => {
                    tracing::error!(request_id = %context.request_id, %peer, "a call panicked");
                    status::of_reason(Reason::Internal, &context).into_http()
                }
            };
            Ok(reply::finished(response, context, measured))
        }
    })
}

/// The context of a request, for the inner layers.
///
/// # Errors
/// The request has no context. The status gets its details from the outermost layer, like every status without details.
pub(super) fn context_of(extensions: &Extensions) -> Result<RequestContext, Status> {
    extensions.get().cloned().ok_or_else(|| Status::unknown("a request without a context"))
}

/// The action of `/service/rpc`, if it is one of ours.
fn action_of(path: &str) -> Option<Action> {
    let (service, rpc) = path.strip_prefix('/')?.split_once('/')?;
    Action::of_rpc(service, rpc)
}
