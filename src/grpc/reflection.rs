//! `grpc.reflection.v1` and `v1alpha`: clients such as `grpcurl` need no proto file.
//!
//! Reflection needs no caller, so a response must cost next to nothing: the descriptors of a file are encoded once, at
//! the start, and shared by all responses; and a request is read only once the response to the one before is being
//! sent. The generated service would copy each file for each response.

mod answers;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::{DecodeError, Message};
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding};
use tonic::metadata::MetadataValue;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tower::Service;

use super::DESCRIPTORS;
use answers::Answers;

/// The one method of both versions, whose messages are the same on the wire.
pub(super) const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// A request holds just a name.
const MAX_QUESTION_BYTES: usize = 4096;

/// Adds both versions. They also know the types of error details, so that clients can print those.
///
/// # Errors
/// The descriptors that were built in can't be read.
pub(super) fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), DecodeError> {
    let answers = Arc::new(Answers::new(&[
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ])?);
    routes.add_service(Reflection::<false>(Arc::clone(&answers)));
    routes.add_service(Reflection::<true>(answers));
    Ok(())
}

/// The service, in its final or its first version.
#[derive(Clone)]
struct Reflection<const IS_ALPHA: bool>(Arc<Answers>);

impl NamedService for Reflection<false> {
    const NAME: &str = "grpc.reflection.v1.ServerReflection";
}

impl NamedService for Reflection<true> {
    const NAME: &str = "grpc.reflection.v1alpha.ServerReflection";
}

impl<const IS_ALPHA: bool> Service<Request<Body>> for Reflection<IS_ALPHA> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let encoding = encoding_of(request.headers());
        ready(Ok(if !PATHS.contains(&request.uri().path()) {
            Status::unimplemented("").into_http()
        } else if let Ok(encoding) = encoding {
            let decoder = ProstCodec::<(), ServerReflectionRequest>::default().decoder();
            let questions = Streaming::new_request(decoder, request.into_body(), encoding, Some(MAX_QUESTION_BYTES));
            let body = Body::new(StreamBody::new(frames(questions, Arc::clone(&self.0))));
            let mut response = Response::new(body);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response
        } else {
            let mut unsupported = Status::unimplemented("");
            unsupported.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static("gzip,identity"));
            unsupported.into_http()
        }))
    }
}

/// The supported compression of requests, as for all other services.
fn encoding_of(headers: &HeaderMap) -> Result<Option<CompressionEncoding>, Unsupported> {
    match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(None),
        Some(b"gzip") => Ok(Some(CompressionEncoding::Gzip)),
        Some(_) => Err(Unsupported),
    }
}

/// A compression other than gzip.
struct Unsupported;

/// What is sent: for each request its own part, and then the part that all responses share.
fn frames(
    questions: Streaming<ServerReflectionRequest>,
    answers: Arc<Answers>,
) -> impl Stream<Item = Result<Frame<Bytes>, Status>> {
    stream::unfold(Some((questions, None::<Bytes>)), move |state| {
        let answers = Arc::clone(&answers);
        async move {
            let (mut questions, shared) = state?;
            if let Some(shared) = shared {
                return Some((Ok(Frame::data(shared)), Some((questions, None))));
            }
            let status = match questions.message().await {
                Ok(Some(question)) => {
                    let shared = answers.to(&question);
                    let own = own_part(question, shared.len());
                    return Some((Ok(Frame::data(own)), Some((questions, Some(shared)))));
                }
                Ok(None) => Status::ok(""),
                Err(status) => status,
            };
            let mut trailers = HeaderMap::new();
            // The framework's own words are always valid header values.
            let _ = status.add_header(&mut trailers);
            Some((Ok(Frame::trailers(trailers)), None))
        }
    })
}

/// The beginning of a response: the header of its message, and the request.
fn own_part(question: ServerReflectionRequest, shared_bytes: usize) -> Bytes {
    let own = ServerReflectionResponse {
        valid_host: question.host.clone(),
        original_request: Some(question),
        message_response: None,
    };
    let own = own.encode_to_vec();
    let mut frame = BytesMut::with_capacity(5 + own.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(own.len() + shared_bytes).unwrap_or(u32::MAX));
    frame.put_slice(&own);
    frame.freeze()
}
