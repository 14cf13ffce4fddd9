//! The gRPC edge: bytes become domain values, and errors become statuses.
//!
//! A call passes `context`, `rest`, `protocol`, `deadline`, `authenticate` and `callerless`, is decoded, and reaches
//! the file of its service. There `convert` reads its fields and writes the reply; errors become visible in `status`,
//! and `reply` gives everything that is sent its final form.

mod authenticate;
mod callerless;
mod calls;
mod context;
mod deadline;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod http_service;
mod protocol;
mod reply;
mod rest;

mod admin_service;
mod convert;
mod credential_service;
mod health;
mod reflection;
mod rpc_methods;
mod verification_service;

mod code;
mod status;

pub(crate) mod generated;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

pub use code::code_of;
pub use generated::DESCRIPTORS;
pub use health::Health;
pub use http_service::HttpService;
pub use prost::DecodeError as DescriptorError;
pub use status::ERROR_DOMAIN;

use crate::edge::Measures;
use crate::ports::{Entropy, PeerCertificate};
use crate::service::Service;
use admin_service::AdminEdge;
pub(crate) use admin_service::read_import_row;
use authenticate::with_callers;
use callerless::{StreamLimits, with_stream_limits};
use context::{Contexts, with_contexts};
use credential_service::CredentialEdge;
use deadline::with_deadlines;
use generated::credential::admin::v1::admin_service_server::AdminServiceServer;
use generated::credential::v1::credential_service_server::CredentialServiceServer;
use generated::credential::v1::verification_service_server::VerificationServiceServer;
use protocol::with_grpc_alone;
use rest::with_rests;
use verification_service::VerificationEdge;

/// A client has at most one of each. A proxy carries those of many clients, and none has a reason to stay open for
/// long.
const STREAMS_WITHOUT_CALLER: StreamLimits = StreamLimits { at_a_time: 16, longest: Duration::from_hours(1) };

/// The settings of the edge.
#[derive(Debug, Clone, Copy)]
pub struct GrpcSettings {
    /// Whether reflection is offered.
    pub reflection: bool,
    /// The longest time that a call may take, whatever its own deadline.
    pub longest_request: Duration,
    /// The largest message that is read.
    pub max_message_bytes: usize,
}

/// Everything that is served: our three services, health and reflection, within the layers.
pub struct GrpcEdge {
    routes: Routes,
    service: Arc<Service>,
    contexts: Contexts,
    stopping: CancellationToken,
}

impl GrpcEdge {
    /// Builds the services.
    ///
    /// # Errors
    /// The descriptors that were built in can't be read.
    pub fn new(
        service: &Arc<Service>,
        settings: GrpcSettings,
        entropy: Arc<dyn Entropy>,
        measures: Measures,
        health: &Health,
    ) -> Result<Self, DescriptorError> {
        let routes = routes(service, settings, health)?.prepare();
        let contexts = Contexts { entropy, measures, longest_request: settings.longest_request };
        Ok(Self { routes, service: Arc::clone(service), contexts, stopping: health.ended() })
    }

    /// The service for the calls of one connection, whose peer may have a certificate.
    pub fn of_connection(&self, peer: SocketAddr, certificate: Option<PeerCertificate>) -> impl HttpService + use<> {
        let edge = with_stream_limits(self.routes.clone(), STREAMS_WITHOUT_CALLER, self.stopping.clone());
        let edge = with_callers(edge, Arc::clone(&self.service), certificate);
        with_contexts(with_rests(with_grpc_alone(with_deadlines(edge))), self.contexts.clone(), peer)
    }
}

fn routes(service: &Arc<Service>, settings: GrpcSettings, health: &Health) -> Result<Routes, DescriptorError> {
    let limit = settings.max_message_bytes;
    let credentials = CredentialServiceServer::new(CredentialEdge(Arc::clone(service)));
    let verification = VerificationServiceServer::new(VerificationEdge(Arc::clone(service)));
    let admin = AdminServiceServer::new(AdminEdge(Arc::clone(service)));
    let mut routes = Routes::builder();
    // The limit holds before and after decompression.
    routes
        .add_service(credentials.max_decoding_message_size(limit).accept_compressed(CompressionEncoding::Gzip))
        .add_service(verification.max_decoding_message_size(limit).accept_compressed(CompressionEncoding::Gzip))
        .add_service(admin.max_decoding_message_size(limit).accept_compressed(CompressionEncoding::Gzip))
        .add_service(health.service().max_decoding_message_size(limit).accept_compressed(CompressionEncoding::Gzip));
    if settings.reflection {
        reflection::add_reflection(&mut routes)?;
    }
    Ok(routes.routes())
}

#[cfg(test)]
mod tests;
