//! The outermost layer: every call gets an id, and every reply carries it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, Request};
use tonic::body::Body;
use tower::service_fn;

use super::asked::{Asked, RequestId};
use super::edge::Edge;
use super::reason::Reason;
use super::{reply, status};
use crate::domain::action::Action;
use crate::ports::Entropy;

/// Where a reply carries the request's id, and a caller its own.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_CORRELATION_ID_BYTES: usize = 128;

/// A caller's own id of the request.
#[derive(Debug, Clone)]
pub(super) struct CorrelationId(pub(super) String);

impl CorrelationId {
    /// What the caller sent, where that is visible ASCII and not too long.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
        let is_usable =
            (1..=MAX_CORRELATION_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_usable.then(|| Self(text.to_owned()))
    }
}

/// Gives every call an id, and every reply its final form. A panic is an internal error like any other.
pub(super) fn with_request_ids(inner: impl Edge, entropy: Arc<dyn Entropy>) -> impl Edge {
    service_fn(move |mut request: Request<Body>| {
        let asked = Asked { request_id: RequestId::draw(&*entropy), action: action_of(request.uri().path()) };
        let correlation_id = CorrelationId::of(request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(asked);
        correlation_id.map(|id| extensions.insert(id));
        // Called here, not in the future: the layers within start their clocks before the transport starts its own.
        let answer = AssertUnwindSafe(inner.clone().call(request)).catch_unwind();
        async move {
            let response = match answer.await {
                Ok(Ok(response)) => response,
                Err(_panic) => {
                    tracing::error!(request_id = %asked.request_id, "a call panicked");
                    status::of_reason(Reason::Internal, asked).into_http()
                }
            };
            Ok(reply::finished(response, asked))
        }
    })
}

/// The action of `/service/rpc`, where that is one of ours.
fn action_of(path: &str) -> Option<Action> {
    let (service, rpc) = path.strip_prefix('/')?.split_once('/')?;
    Action::of_rpc(service, rpc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_own_id_is_kept_where_it_is_visible_ascii() {
        let kept = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, http::HeaderValue::from_bytes(value).unwrap());
            CorrelationId::of(&headers).map(|id| id.0)
        };
        assert_eq!(kept(b"order-7/a").as_deref(), Some("order-7/a"));
        assert_eq!(kept(&[b'x'; 128]).map(|id| id.len()), Some(128));
        for bad in [&b""[..], b"two words", "\u{e4}".as_bytes(), &[b'x'; 129]] {
            assert_eq!(kept(bad), None);
        }
    }
}
