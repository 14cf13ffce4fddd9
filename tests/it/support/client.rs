//! A client made from the proto files at run time, as `grpcurl` is one: JSON in, and everything of the reply out.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::certificates::ClientTls;
use super::signer::AccessKey;

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
    window: Option<u32>,
    tls: Option<ClientTls>,
}

/// Everything of a reply.
#[derive(Debug)]
pub struct Reply {
    pub status: Status,
    pub initial: HeaderMap,
    /// Those after the body; of a reply that is one block of headers (Trailers-Only) that block.
    pub trailers: HeaderMap,
    pub body: Bytes,
    pub json: Value,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: Arc::default(), headers: HeaderMap::new(), window: None, tls: None }
    }

    /// The same client with one more header.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.append(name, HeaderValue::from_str(value).unwrap());
        client
    }

    /// The same caller on a connection of its own, over TLS.
    pub fn over(&self, tls: &ClientTls) -> Self {
        Self { headers: self.headers.clone(), tls: Some(tls.clone()), ..Self::new(self.address) }
    }

    /// The same caller at another server.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { headers: self.headers.clone(), tls: self.tls.clone(), ..Self::new(address) }
    }

    /// The same caller on a connection of its own, to which so many bytes of a reply are sent before it takes them.
    pub fn with_window(&self, bytes: u32) -> Self {
        let tls = self.tls.clone();
        Self { headers: self.headers.clone(), window: Some(bytes), tls, ..Self::new(self.address) }
    }

    pub fn with_token(&self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Another caller on the same connection.
    pub fn with_token_instead(&self, token: &str) -> Self {
        Self { headers: HeaderMap::new(), ..self.clone() }.with_token(token)
    }

    /// Calls `Service/Method`, whose package is found by its name.
    pub async fn call(&self, method: &str, request: Value) -> Reply {
        self.try_call(method, request).await.expect("the server answers")
    }

    /// Calls, and answers nothing where the connection is lost before the reply is whole.
    pub async fn try_call(&self, method: &str, request: Value) -> Option<Reply> {
        let method = method_named(method);
        let mut reply = self.try_send(&path(&method), encoded(&method, request)).await?;
        if let Some(message) = reply.body.get(5..) {
            reply.json = decoded(&method, message);
        }
        Some(reply)
    }

    /// Calls `WatchChanges`, whose replies come one by one.
    pub async fn watch(&self, request: Value) -> Watching {
        self.watch_by("WatchChanges", request).await
    }

    /// Calls a method whose replies come one by one.
    pub async fn watch_by(&self, method: &str, request: Value) -> Watching {
        let method = method_named(method);
        let response = self.open(&path(&method), encoded(&method, request)).await.expect("the server answers");
        let (head, body) = response.into_parts();
        Watching { method, initial: head.headers, body, received: Vec::new() }
    }

    /// A new access key of a caller in the client's tenant.
    pub async fn access_key(&self, kind: &str, name: &str) -> AccessKey {
        let request = json!({
            "caller_kind": format!("CALLER_KIND_{kind}"),
            "caller_name": name,
            "form": "ACCESS_TOKEN_FORM_ACCESS_KEY",
        });
        let issued = self.ok("IssueAccessToken", request).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        AccessKey { id: text(&issued["access_token"]["access_key_id"]), secret: text(&issued["access_key_secret"]) }
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
        Reply::of(self.open(path, body).await?).await
    }

    /// The connection, which the first request opens.
    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        self.connection.get_or_try_init(|| connect(self.address, self.window, self.tls.as_ref())).await.cloned()
    }

    /// Posts a body as it is, and answers what the reply begins with.
    async fn open(&self, path: &str, body: impl Into<Bytes>) -> Option<Response<Incoming>> {
        let mut connection = self.connection().await.ok()?;
        connection.send_request(self.request(path, Full::new(body.into()))).await.ok()
    }

    /// Sends any HTTP request as it is, with this caller's headers, and answers the whole response.
    pub async fn request_http(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let mut connection = self.connection().await.unwrap();
        let mut request = self.request(path, Full::new(body.into()));
        *request.method_mut() = method;
        let (head, body) = connection.send_request(request).await.expect("the server answers").into_parts();
        let body = tokio::time::timeout(Duration::from_mins(1), body.collect()).await.unwrap();
        Response::from_parts(head, body.unwrap().to_bytes())
    }

    /// Begins to post a body, on a connection of its own.
    pub async fn open_stream(&self, path: &str) -> OpenStream {
        let (frames, body) = mpsc::channel(1);
        let body = StreamBody::new(ReceiverStream::new(body).map(Ok::<_, Infallible>));
        let mut connection = connect(self.address, self.window, self.tls.as_ref()).await.expect("the server answers");
        let response = connection.send_request(self.request(path, body));
        OpenStream { frames, reply: tokio::spawn(async { Reply::of(response.await.unwrap()).await.unwrap() }) }
    }

    fn request<B>(&self, path: &str, body: B) -> Request<B> {
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        request.headers_mut().extend(self.headers.clone());
        request
    }
}

/// A call whose caller has more to send.
pub struct OpenStream {
    frames: mpsc::Sender<Frame<Bytes>>,
    reply: JoinHandle<Reply>,
}

impl OpenStream {
    pub async fn send(&self, data: Bytes) {
        self.frames.send(Frame::data(data)).await.expect("the call goes on");
    }

    /// Sends more, unless the call is over.
    pub async fn try_send(&self, data: Bytes) -> bool {
        !self.reply.is_finished() && self.frames.send(Frame::data(data)).await.is_ok()
    }

    /// Sends no more. The reply.
    pub async fn end(self) -> Reply {
        drop(self.frames);
        self.reply.await.unwrap()
    }

    /// The reply, which comes before the stream ends.
    pub async fn reply(self) -> Reply {
        self.reply.await.unwrap()
    }
}

/// Replies that come one by one. Dropped, the call is cancelled.
pub struct Watching {
    method: MethodDescriptor,
    pub initial: HeaderMap,
    body: Incoming,
    received: Vec<u8>,
}

impl Watching {
    /// The next reply, or what ended them.
    pub async fn next(&mut self) -> Result<Value, Reply> {
        loop {
            if let Some(message) = self.take_message() {
                return Ok(message);
            }
            let frame =
                tokio::time::timeout(Duration::from_mins(1), self.body.frame()).await.expect("no reply for long");
            let trailers = match frame.map(|frame| frame.expect("the connection is there").into_data()) {
                Some(Ok(bytes)) => {
                    self.received.extend_from_slice(&bytes);
                    continue;
                }
                Some(Err(frame)) => frame.into_trailers().unwrap(),
                None => self.initial.clone(),
            };
            let status = Status::from_header_map(&trailers).expect("the reply has a status");
            return Err(Reply {
                status,
                initial: self.initial.clone(),
                trailers,
                body: Bytes::new(),
                json: Value::Null,
            });
        }
    }

    /// The next reply with an event.
    pub async fn event(&mut self) -> Value {
        loop {
            let reply = self.next().await.expect("the watch goes on");
            if !reply["event"].is_null() {
                return reply;
            }
        }
    }

    /// What ends the watch, whatever comes before.
    pub async fn end(mut self) -> Reply {
        loop {
            if let Err(reply) = self.next().await {
                return reply;
            }
        }
    }

    fn take_message(&mut self) -> Option<Value> {
        let (head, rest) = self.received.split_at_checked(5)?;
        let length = usize::try_from(u32::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
        let message = decoded(&self.method, rest.get(..length)?);
        self.received.drain(..5 + length);
        Some(message)
    }
}

fn encoded(method: &MethodDescriptor, request: Value) -> Bytes {
    let request = DynamicMessage::deserialize(method.input(), request).expect("the request fits the proto");
    frame(&request.encode_to_vec())
}

fn decoded(method: &MethodDescriptor, message: &[u8]) -> Value {
    let message = DynamicMessage::decode(method.output(), message).expect("the reply fits the proto");
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

impl Reply {
    /// Everything of a response, or nothing where the connection is lost before it is whole.
    async fn of(response: Response<Incoming>) -> Option<Self> {
        let (head, body) = response.into_parts();
        let collected = tokio::time::timeout(Duration::from_mins(1), body.collect()).await.unwrap().ok()?;
        let trailers = collected.trailers().unwrap_or(&head.headers).clone();
        let status = Status::from_header_map(&trailers).expect("the reply has a status");
        Some(Self { status, initial: head.headers, trailers, body: collected.to_bytes(), json: Value::Null })
    }

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

    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).and_then(|value| value.to_str().ok())
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

async fn connect<B>(
    address: SocketAddr,
    window: Option<u32>,
    tls: Option<&ClientTls>,
) -> Result<SendRequest<B>, Box<dyn Error + Send + Sync>>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let stream = TcpStream::connect(address).await?;
    let stream: Box<dyn Io> = match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(TlsConnector::from(Arc::clone(&tls.config)).connect(tls.name.clone(), stream).await?),
    };
    let mut client = Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(window);
    let (sender, connection) = client.handshake(TokioIo::new(stream)).await?;
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
