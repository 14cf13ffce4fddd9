//! A collector of spans: what OTLP's own service receives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::certificates::Leaf;

/// The headers of a request as text, and its message.
type Received = (String, ExportTraceServiceRequest);

/// A running one. It keeps what it gets.
#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    open: watch::Sender<bool>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::listen(None).await
    }

    /// One that is reached over TLS.
    pub async fn with_tls(leaf: &Leaf) -> Self {
        Self::listen(Some(leaf)).await
    }

    async fn listen(leaf: Option<&Leaf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self { address, received: Arc::default(), open: watch::Sender::new(true) };
        let mut server = Server::builder();
        if let Some(leaf) = leaf {
            let identity = Identity::from_pem(&leaf.certificate, &leaf.key);
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let server = server.add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        collector
    }

    /// Keeps each answer back until the next [`Self::open`].
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Every span that it got.
    pub fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let resources = received.iter().flat_map(|(_, request)| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The spans of a trace, that of the call first.
    pub fn trace(&self, id: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| hex(&span.trace_id) == id);
        spans.sort_by_key(|span| (span.kind != SERVER, span.start_time_unix_nano));
        spans
    }

    /// Every request, with its headers.
    pub fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;

/// An attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = format!("{:?}", request.metadata());
        self.received.lock().unwrap().push((headers, request.into_inner()));
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
