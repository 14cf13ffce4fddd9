//! A client made with tonic, which has no retry policies, tries again as `docs/clients.md` shows.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::json;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use crate::support::World;
use crate::support::client::{method_named, path};

const DOCUMENT: &str = include_str!("../../../docs/clients.md");

// The document shows this function as it is.
/// Calls until that succeeds, or fails in a way that must not be tried again.
async fn retried<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut pause = Duration::from_millis(200);
    for _ in 0..4 {
        let status = match call().await {
            Err(status) if status.code() == Code::Unavailable => status,
            ended => return ended,
        };
        let pushback = status.metadata().get("grpc-retry-pushback-ms").and_then(|value| value.to_str().ok());
        match pushback.map(str::parse) {
            Some(Ok(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
            // -1: it must not be tried again.
            Some(Err(_)) => return Err(status),
            // There is no connection, or it was lost.
            None => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
    call().await
}
// As far as here.

/// Encodes and decodes any message of a method.
struct Dynamic(MethodDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::Message::encode(&message, buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.output(), buffer);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// Sets the password of a mail domain, as a client of tonic does.
async fn set(endpoint: &Endpoint, token: &str, domain: &str) -> Result<(), Status> {
    let method = method_named("ModifyPWByDomain");
    let fields = json!({ "domain_name": domain, "password": "DM1mail1234", "client_token": domain });
    let mut request = Request::new(DynamicMessage::deserialize(method.input(), fields).unwrap());
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    *request.metadata_mut() = metadata;
    let mut client =
        tonic::client::Grpc::new(endpoint.connect().await.map_err(|error| Status::from_error(error.into()))?);
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let path = PathAndQuery::try_from(path(&method)).unwrap();
    client.unary(request, path, Dynamic(method)).await.map(drop)
}

/// An error of the service, with a pushback.
fn unavailable(pushback: &'static str) -> Status {
    let mut status = Status::unavailable("");
    status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
    status
}

#[test]
fn the_document_shows_this_function() {
    let source = include_str!("retries.rs");
    let (_, shown) = source.split_once("// The document shows this function as it is.\n").unwrap();
    let (shown, _) = shown.split_once("// As far as here.\n").unwrap();
    assert!(DOCUMENT.contains(&format!("```rust\n{shown}```\n")));
}

#[tokio::test]
async fn what_may_be_tried_again_is_until_it_succeeds() {
    let world = World::start().await;
    world.root.ok("CreateMailDomain", json!({ "domain_name": "example.com" })).await;
    let issued = world.root.ok("IssueAccessToken", json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
    let token = issued["token"].as_str().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", world.address)).unwrap();
    let calls = AtomicU32::new(0);
    let answer = retried(|| async {
        match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Status::unavailable("there is no connection")),
            1..4 => Err(unavailable("1")),
            _ => set(&endpoint, token, "example.com").await,
        }
    });
    answer.await.unwrap();
    assert_eq!(calls.into_inner(), 5);
}

#[tokio::test]
async fn what_must_not_be_tried_again_is_not() {
    let world = World::start().await;
    let calls = AtomicU32::new(0);
    let endpoint = Endpoint::from_shared(format!("http://{}", world.address)).unwrap();
    let refused = retried(|| {
        calls.fetch_add(1, Ordering::Relaxed);
        set(&endpoint, "not-a-token", "example.com")
    });
    assert_eq!(refused.await.unwrap_err().code(), Code::Unauthenticated);
    let unknown = retried(|| async {
        calls.fetch_add(1, Ordering::Relaxed);
        Err::<(), _>(unavailable("-1"))
    });
    assert_eq!(unknown.await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(calls.into_inner(), 2);
}
