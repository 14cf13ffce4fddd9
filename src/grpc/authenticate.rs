//! The layer that authenticates the caller, before anything of the message is read.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Request};
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;

use super::context::context_of;
use super::http_service::HttpService;
use super::status;
use crate::domain::action::Action;
use crate::edge;
use crate::ports::PeerCertificate;
use crate::service::{Call, Service};

/// Passes calls of our services on with the [`Call`] in their extensions, or refuses them. Health, reflection and
/// methods that do not exist need no caller.
///
/// `certificate` is that of the connection's peer.
pub(super) fn with_callers(
    inner: impl HttpService,
    service: Arc<Service>,
    certificate: Option<PeerCertificate>,
) -> impl HttpService {
    service_fn(move |request: Request<Body>| {
        let (mut inner, service, certificate) = (inner.clone(), Arc::clone(&service), certificate.clone());
        // On the heap: each layer outside would hold this future twice, and copy and wipe it.
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            if is_ours(head.uri.path()) {
                match authenticated(&head, &service, certificate.as_ref()).await {
                    Ok(call) => head.extensions.insert(call),
                    Err(status) => return Ok(status.into_http()),
                };
            }
            inner.call(Request::from_parts(head, body)).await
        })
    })
}

fn is_ours(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
    service.is_some_and(|name| Action::ALL.iter().any(|action| action.service() == name))
}

async fn authenticated(head: &Parts, service: &Service, certificate: Option<&PeerCertificate>) -> Result<Call, Status> {
    let context = context_of(&head.extensions)?;
    let values = |name: &'static str| head.headers.get_all(name).iter().map(HeaderValue::to_str).map(Result::ok);
    edge::authenticate(service, values, certificate, &context)
        .await
        .map_err(|explanation| status::of(explanation, &context))
}
