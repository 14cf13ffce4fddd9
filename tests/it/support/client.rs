//! A client made from the proto files at run time, as `grpcurl` is one: JSON in, and everything of the reply out.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The descriptors of the proto files, compiled here and not taken from the server.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let files = [
        "credential/v1/credential_service.proto",
        "credential/v1/verification_service.proto",
        "credential/admin/v1/admin_service.proto",
    ];
    let mut compiler = protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(files).unwrap();
    compiler.descriptor_pool()
});

/// A caller of the server, with a token or without. It speaks plain HTTP/2: a gRPC library would hide a part of what is
/// sent, and keep time of its own.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    connection: Arc<OnceCell<SendRequest<Full<Bytes>>>>,
    headers: HeaderMap,
}

/// Everything of a reply.
#[derive(Debug)]
pub struct Reply {
    pub status: Status,
    pub initial: HeaderMap,
    pub body: Bytes,
    pub json: Value,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: Arc::default(), headers: HeaderMap::new() }
    }

    /// The same client with one more header.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.append(name, HeaderValue::from_str(value).unwrap());
        client
    }

    /// The same caller at another server.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { headers: self.headers.clone(), ..Self::new(address) }
    }

    pub fn with_token(&self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Calls `Service/Method`, whose package is found by its name.
    pub async fn call(&self, method: &str, request: Value) -> Reply {
        self.try_call(method, request).await.expect("the server answers")
    }

    /// Calls, and answers nothing where the connection is lost before the reply is whole.
    pub async fn try_call(&self, method: &str, request: Value) -> Option<Reply> {
        let method = method_named(method);
        let request = DynamicMessage::deserialize(method.input(), request).expect("the request fits the proto");
        let mut reply = self.try_send(&path(&method), frame(&request.encode_to_vec())).await?;
        if let Some(message) = reply.body.get(5..) {
            let message = DynamicMessage::decode(method.output(), message).expect("the reply fits the proto");
            let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
            reply.json = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
        }
        Some(reply)
    }

    /// Calls, and expects success.
    pub async fn ok(&self, method: &str, request: Value) -> Value {
        let reply = self.call(method, request).await;
        assert_eq!(reply.status.code(), Code::Ok, "{method}: {:?}", reply.status);
        reply.json
    }

    /// Calls, and expects the error of that reason.
    pub async fn err(&self, method: &str, request: Value, reason: &str) -> Reply {
        let reply = self.call(method, request).await;
        assert_eq!(reply.reason(), reason, "{method}: {:?}", reply.status);
        reply
    }

    /// Posts a body as it is.
    pub async fn send(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.try_send(path, body).await.expect("the server answers")
    }

    /// Posts a body as it is, and answers nothing where the connection is lost before the reply is whole.
    pub async fn try_send(&self, path: &str, body: impl Into<Bytes>) -> Option<Reply> {
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(body.into()))
            .unwrap();
        request.headers_mut().extend(self.headers.clone());
        let mut connection = self.connection.get_or_try_init(|| connect(self.address)).await.ok()?.clone();
        let response = connection.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        let collected = tokio::time::timeout(Duration::from_mins(1), body.collect()).await.unwrap().ok()?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = Status::from_header_map(&trailers)
            .or_else(|| Status::from_header_map(&head.headers))
            .expect("the reply has a status");
        Some(Reply { status, initial: head.headers, body: collected.to_bytes(), json: Value::Null })
    }
}

impl Reply {
    pub fn details(&self) -> ErrorDetails {
        self.status.get_error_details()
    }

    /// The reason, or `OK`.
    pub fn reason(&self) -> String {
        match self.status.code() {
            Code::Ok => "OK".to_owned(),
            _ => self.details().error_info().map_or("(no details)".to_owned(), |info| info.reason.clone()),
        }
    }

    pub fn metadata(&self, key: &str) -> Option<String> {
        self.details().error_info().and_then(|info| info.metadata.get(key).cloned())
    }

    pub fn violations(&self) -> Vec<FieldViolation> {
        self.details().bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default()
    }

    /// `field: reason` of each violation.
    pub fn problems(&self) -> Vec<String> {
        self.violations().iter().map(|violation| format!("{}: {}", violation.field, violation.reason)).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.initial.get(name).and_then(|value| value.to_str().ok())
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A message in its frame: not compressed, its length, itself.
pub fn frame(message: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed.into()
}

pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The method of `Service/Method` or `Method`.
pub fn method_named(name: &str) -> MethodDescriptor {
    let (service, method) = name.split_once('/').unwrap_or(("", name));
    POOL.services()
        .filter(|candidate| service.is_empty() || candidate.name() == service)
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .find(|candidate| candidate.name() == method)
        .unwrap_or_else(|| panic!("no method {name}"))
}
