//! The gRPC edge: bytes become domain values, and errors become statuses.
//!
//! A call passes `request_id`, `deadline` and `authenticate`, is decoded, and reaches the file of its service. There
//! `convert` reads its fields and writes the reply; what failed becomes visible in `status`, and `reply` has the last
//! word on everything that is sent.

mod asked;
mod authenticate;
mod deadline;
mod edge;
mod reply;
mod request_id;

mod admin_service;
mod convert;
mod credential_service;
mod health;
mod reflection;
mod rpcs;
mod verification_service;

mod reason;
mod status;
mod vendor_code;

pub(crate) mod generated;

use std::sync::Arc;
use std::time::Duration;

use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower::Layer;
use tower::layer::layer_fn;

pub use edge::Edge;
pub use generated::DESCRIPTORS;
pub use health::Health;
pub use reason::Reason;
pub use status::ERROR_DOMAIN;

use crate::ports::{Clock, Entropy};
use crate::service::Service;
use admin_service::AdminEdge;
use authenticate::with_callers;
use credential_service::CredentialEdge;
use deadline::with_deadlines;
use generated::credential::admin::v1::admin_service_server::AdminServiceServer;
use generated::credential::v1::credential_service_server::CredentialServiceServer;
use generated::credential::v1::verification_service_server::VerificationServiceServer;
use request_id::with_request_ids;
use verification_service::VerificationEdge;

/// Pings find dead peers; clients behind proxies stay connected.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What one connection may ask for at a time.
const MAX_CONCURRENT_STREAMS: u32 = 256;
/// A token, a timeout and a correlation id are far below; clients refuse 8 KiB and more themselves.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Streams that a peer opens and resets at once ("rapid reset", CVE-2023-44487), and those that it makes us reset
/// (CVE-2025-8671), before the connection is closed.
const MAX_PENDING_ACCEPT_RESET_STREAMS: usize = 20;
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 1024;

/// What of the edge is configured.
#[derive(Debug, Clone, Copy)]
pub struct GrpcSettings {
    /// Whether reflection is offered.
    pub reflection: bool,
    /// The longest that a call may take, whatever its own deadline.
    pub longest_request: Duration,
    /// The largest message that is read.
    pub max_message_bytes: usize,
}

/// Everything that is served: our three services, health and reflection, within the layers.
///
/// # Errors
/// The descriptors that were built in can't be read.
pub fn router(
    service: &Arc<Service>,
    settings: GrpcSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    health: &Health,
) -> Result<Router<impl Layer<Routes, Service = impl Edge + use<>> + Clone + use<>>, tonic_reflection::server::Error> {
    let callers = Arc::clone(service);
    let layers = layer_fn(move |routes: Routes| {
        let edge = with_callers(routes, Arc::clone(&callers));
        let edge = with_deadlines(edge, Arc::clone(&clock), settings.longest_request);
        with_request_ids(edge, Arc::clone(&entropy))
    });
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_ACCEPT_RESET_STREAMS))
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_ERROR_RESET_STREAMS))
        .layer(layers);
    Ok(server.add_routes(routes(service, settings, health)?))
}

fn routes(
    service: &Arc<Service>,
    settings: GrpcSettings,
    health: &Health,
) -> Result<Routes, tonic_reflection::server::Error> {
    let limit = settings.max_message_bytes;
    let mut routes = Routes::builder();
    routes
        .add_service(CredentialServiceServer::new(CredentialEdge(Arc::clone(service))).max_decoding_message_size(limit))
        .add_service(
            VerificationServiceServer::new(VerificationEdge(Arc::clone(service))).max_decoding_message_size(limit),
        )
        .add_service(AdminServiceServer::new(AdminEdge(Arc::clone(service))).max_decoding_message_size(limit))
        .add_service(health.service().max_decoding_message_size(limit));
    if settings.reflection {
        reflection::add_reflection(&mut routes)?;
    }
    Ok(routes.routes())
}

#[cfg(test)]
mod tests;
