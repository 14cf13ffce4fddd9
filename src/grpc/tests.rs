//! The layers around the health service, which needs no caller.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Service as _, service_fn};

use super::*;
use crate::domain::time::Timestamp;
use crate::edge::LoggedCalls;
use crate::ports::Clock;

struct Fixed(Instant);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn instant(&self) -> Instant {
        self.0
    }
}

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0xAB);
    }
}

const REQUEST_ID: &str = "ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const MAX_MESSAGE_BYTES: usize = 64;

fn fixed() -> Arc<Fixed> {
    #[expect(clippy::disallowed_methods, reason = "there is no other way to make an instant")]
    Arc::new(Fixed(Instant::now()))
}

fn layered(inner: impl HttpService) -> impl HttpService {
    with_context(with_rests(with_grpc_alone(with_deadlines(inner))), Duration::from_hours(1))
}

fn with_context(inner: impl HttpService, longest_request: Duration) -> impl HttpService {
    let logged = LoggedCalls::Off;
    let measures = Measures { meter: Arc::new(crate::ports::NoMeter), clock: fixed(), logged, traces: None };
    let contexts = Contexts { entropy: fixed(), measures, longest_request };
    with_contexts(inner, contexts, (Ipv4Addr::LOCALHOST, 7).into())
}

async fn health() -> impl HttpService {
    let health = Health::starting().await;
    health.serving().await;
    layered(Routes::new(
        health.service().max_decoding_message_size(MAX_MESSAGE_BYTES).accept_compressed(CompressionEncoding::Gzip),
    ))
}

struct Reply {
    initial: HeaderMap,
    trailers: HeaderMap,
}

impl Reply {
    async fn of(mut edge: impl HttpService, path: &str, headers: &[(&'static str, &str)], body: &[u8]) -> Self {
        let mut request = Request::post(format!("http://localhost{path}")).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::new(Full::new(Bytes::copy_from_slice(body)));
        let Ok(response) = edge.call(request.body(body).unwrap()).await;
        let initial = response.headers().clone();
        let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
        Self { initial, trailers }
    }

    /// The code and the reason. Asserts the form of every reply: an error before the first message is one block of
    /// headers.
    fn code_and_reason(&self) -> (Code, String) {
        let status =
            Status::from_header_map(&self.initial).or_else(|| Status::from_header_map(&self.trailers)).unwrap();
        let details = status.get_error_details();
        if status.code() != Code::Ok {
            assert_eq!(self.initial["x-request-id"], REQUEST_ID);
            assert!(self.initial.contains_key("grpc-status") && self.trailers.is_empty());
            assert_eq!(details.request_info().unwrap().request_id, REQUEST_ID);
        }
        (status.code(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
    }
}

/// A message in its frame: uncompressed, with its length.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

#[tokio::test]
async fn a_success_carries_the_request_id_too() {
    let reply = Reply::of(health().await, CHECK, &[], &framed(b"")).await;
    assert_eq!(reply.code_and_reason(), (Code::Ok, String::new()));
    assert_eq!(reply.initial["x-request-id"], REQUEST_ID);
    assert!(!reply.trailers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_body_that_does_not_decode_is_an_invalid_field() {
    let invalid = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
    for (what, body) in [
        ("no message", vec![]),
        ("a truncated frame", vec![0, 0]),
        ("a truncated message", vec![0, 0, 0, 0, 9, 1]),
        ("broken protobuf", framed(&[0xff, 0xff, 0xff])),
        ("bad UTF-8", framed(&[0x0a, 1, 0xff])),
        ("a compressed message without an encoding", vec![1, 0, 0, 0, 0]),
        ("a flag that does not exist", vec![7, 0, 0, 0, 0]),
    ] {
        let reply = Reply::of(health().await, CHECK, &[], &body).await;
        assert_eq!(reply.code_and_reason(), invalid, "{what}");
    }
}

#[tokio::test]
async fn an_unsupported_encoding_is_reported_with_the_supported_ones() {
    for encoding in ["deflate", "snappy", "zstd", "made-up"] {
        let reply = Reply::of(health().await, CHECK, &[("grpc-encoding", encoding)], &framed(b"")).await;
        assert_eq!(reply.code_and_reason(), (Code::Unimplemented, "UNSUPPORTED_COMPRESSION".to_owned()), "{encoding}");
        assert_eq!(reply.initial["grpc-accept-encoding"], "gzip,identity");
    }
    let reply = Reply::of(health().await, CHECK, &[("grpc-encoding", "identity")], &framed(b"")).await;
    assert_eq!(reply.code_and_reason().0, Code::Ok);
}

#[tokio::test]
async fn a_large_message_is_refused_by_its_declared_length() {
    for length in [MAX_MESSAGE_BYTES + 1, 1 << 20, 1 << 30] {
        let declared = u32::try_from(length).unwrap().to_be_bytes();
        let reply = Reply::of(health().await, CHECK, &[], &[&[0][..], &declared].concat()).await;
        assert_eq!(reply.code_and_reason(), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned()), "{length}");
    }
}

#[tokio::test]
async fn an_unknown_method_or_service_is_reported() {
    for path in ["/grpc.health.v1.Health/Heal", "/no.such.Service/Method", "/", "/nothing"] {
        let reply = Reply::of(health().await, path, &[], &framed(b"")).await;
        assert_eq!(reply.code_and_reason(), (Code::Unimplemented, "UNKNOWN_METHOD".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_health_of_an_unknown_service_keeps_its_code() {
    for path in [CHECK, "/grpc.health.v1.Health/Watch"] {
        let reply = Reply::of(health().await, path, &[], &framed(b"\x0a\x01x")).await;
        assert_eq!(reply.code_and_reason(), (Code::NotFound, "SERVICE_NOT_FOUND".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_call_ends_with_its_deadline() {
    let stuck = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let reply = Reply::of(layered(stuck), CHECK, &[("grpc-timeout", "1m")], b"").await;
    assert_eq!(reply.code_and_reason(), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
}

#[tokio::test]
async fn what_is_sent_as_a_stream_ends_with_its_callers_deadline_alone() {
    let slow = service_fn(|_: Request<Body>| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, Infallible>(Status::ok("").into_http::<Body>())
    });
    let stuck = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let import = "/credential.admin.v1.AdminService/ImportCredentials";
    let within_nothing = with_context(with_deadlines(slow), Duration::ZERO);
    assert_eq!(Reply::of(within_nothing, import, &[], b"").await.code_and_reason().0, Code::Ok);
    let reply = Reply::of(layered(stuck), import, &[("grpc-timeout", "1m")], b"").await;
    assert_eq!(reply.code_and_reason(), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
}

#[tokio::test]
async fn the_layers_within_find_the_callers_timeout_and_id() {
    for (timeout, expected) in [("200m", Duration::from_millis(200)), ("99H", Duration::from_hours(1))] {
        let inner = service_fn(move |request: Request<Body>| async move {
            let context = context::context_of(request.extensions()).unwrap();
            assert_eq!(context.times.to_answer, expected);
            assert_eq!(context.correlation_id.unwrap().as_str(), "order-7");
            Ok(Status::ok("").into_http())
        });
        let headers = [("grpc-timeout", timeout), ("x-request-id", "order-7")];
        assert_eq!(Reply::of(layered(inner), CHECK, &headers, b"").await.code_and_reason().0, Code::Ok);
    }
}

#[tokio::test]
async fn a_layer_without_a_context_is_an_internal_error() {
    let inner = service_fn(|_: Request<Body>| async { Ok(Status::ok("").into_http()) });
    let forgetful = with_deadlines(inner);
    let forgets = service_fn(move |mut request: Request<Body>| {
        request.extensions_mut().clear();
        forgetful.clone().call(request)
    });
    assert_eq!(
        Reply::of(layered(forgets), CHECK, &[], b"").await.code_and_reason(),
        (Code::Internal, "INTERNAL".to_owned())
    );
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let inner = service_fn(|_: Request<Body>| async { panic!("a bug") });
    let reply = Reply::of(layered(inner), CHECK, &[], b"").await;
    assert_eq!(reply.code_and_reason(), (Code::Internal, "INTERNAL".to_owned()));
}

#[tokio::test]
async fn a_watch_ends_when_the_server_stops() {
    let health = Health::starting().await;
    let edge = layered(Routes::new(health.service()));
    let empty = framed(b"");
    let watching = Reply::of(edge.clone(), "/grpc.health.v1.Health/Watch", &[], &empty);
    let stopping = async {
        health.not_serving().await;
        health.end_watches().await;
    };
    // The watch is started first; otherwise it would never end.
    let (watched, ()) = tokio::join!(watching, stopping);
    assert_eq!(watched.code_and_reason().0, Code::Ok);
    assert_eq!(Reply::of(edge, CHECK, &[], &framed(b"")).await.code_and_reason().0, Code::NotFound);
}
