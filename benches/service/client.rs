//! The gRPC client: tonic's, over connections of our own.

#[expect(
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod generated {
    pub mod credential {
        pub mod v1 {
            tonic::include_proto!("credential.v1");
        }
        pub mod admin {
            pub mod v1 {
                tonic::include_proto!("credential.admin.v1");
            }
        }
    }
}

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::AsciiMetadataValue;
use tonic_types::StatusExt;
use tower::Service;

use crate::load::Outcome;
use crate::support::certificates::ClientTls;

/// One HTTP/2 connection. tonic's own channel would end a call by itself when the deadline is over, and hide what the
/// server answers then.
#[derive(Clone)]
pub struct Connection(SendRequest<Body>);

impl Connection {
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream).await
    }

    /// One over TLS.
    pub async fn open_tls(address: SocketAddr, tls: &ClientTls) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(TlsConnector::from(Arc::clone(&tls.config)).connect(tls.name.clone(), stream).await?).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> std::io::Result<Self> {
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Some connections to one server, handed out in turn.
pub struct Connections {
    origin: Uri,
    all: Vec<Connection>,
    next: usize,
}

impl Connections {
    /// Each carries at most 256 calls at a time: the server allows no more.
    pub async fn open(address: SocketAddr, count: usize) -> std::io::Result<Self> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(Connection::open(address).await?);
        }
        let origin = format!("http://{address}").parse().unwrap();
        Ok(Self { origin, all, next: 0 })
    }

    pub fn next(&mut self) -> (Connection, Uri) {
        self.next = (self.next + 1) % self.all.len();
        (self.all[self.next].clone(), self.origin.clone())
    }
}

/// An access token, ready to be sent.
#[derive(Clone)]
pub struct Token(AsciiMetadataValue);

impl Token {
    pub fn new(text: &str) -> Self {
        Self(format!("Bearer {text}").parse().unwrap())
    }

    /// A request of its holder, to be answered within that time.
    pub fn request<M>(&self, message: M, deadline: Duration) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", self.0.clone());
        request.set_timeout(deadline);
        request
    }
}

/// What an answer is to who counts: success, a refusal that says its reason, or neither.
pub fn outcome<T>(answer: &Result<T, Status>) -> Outcome {
    let Err(status) = answer else { return Outcome::Done };
    match status.get_details_error_info() {
        Some(info) => Outcome::Refused(info.reason),
        None => Outcome::Untyped(status.code()),
    }
}
