//! The final form of every reply: the request's id where clients look for it, and details on every error.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::body::Body;
use tonic::{Code, Status};

use super::asked::{Asked, of_one_reply};
use super::reason::Reason;
use super::request_id::X_REQUEST_ID;
use super::status;
use crate::service::ServiceError;

const STATUS_HEADERS: [HeaderName; 3] = [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS];

/// What the framework says besides, where it refuses a message for its compression.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Puts `x-request-id` into the initial metadata and details on a status that has none.
///
/// An error that came as headers alone is split into headers and trailers: clients show no initial metadata otherwise.
pub(super) fn finished(response: Response<Body>, asked: Asked) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    explain(&mut parts.headers, asked);
    let trailers = split_off_status(&mut parts.headers);
    parts.headers.insert(X_REQUEST_ID, asked.request_id.header_value());
    let body = if trailers.is_empty() {
        Body::new(body.map_frame(move |frame| match frame.into_trailers() {
            Ok(mut trailers) => {
                explain(&mut trailers, asked);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }))
    } else {
        let frame: Result<Frame<Bytes>, Status> = Ok(Frame::trailers(trailers));
        Body::new(StreamBody::new(tokio_stream::once(frame)))
    };
    Response::from_parts(parts, body)
}

/// Replaces an error without details by one with.
fn explain(headers: &mut HeaderMap, asked: Asked) {
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(bare) = Status::from_header_map(headers) else { return };
    if bare.code() == Code::Ok {
        return;
    }
    let was_compressed = headers.contains_key(ACCEPT_ENCODING);
    // Fixed words and base64 are always headers' values.
    let _ = explained(bare.code(), was_compressed, asked).add_header(headers);
}

/// What the framework's own refusals mean. It decodes before a method sees anything, and our methods' errors have
/// details; so what is `INTERNAL` here is a message that does not decode.
fn explained(code: Code, was_compressed: bool, asked: Asked) -> Status {
    let reason = match code {
        Code::Internal | Code::InvalidArgument => return undecodable(asked),
        Code::Unimplemented if was_compressed => return undecodable(asked),
        Code::Unimplemented => Reason::UnknownMethod,
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::NotFound => Reason::ServiceNotFound,
        Code::DeadlineExceeded | Code::Cancelled => Reason::DeadlineExceeded,
        Code::Unauthenticated => Reason::Unauthenticated,
        Code::PermissionDenied => Reason::AccessDenied,
        Code::Unavailable => Reason::Overloaded,
        _ => Reason::Internal,
    };
    status::of_reason(reason, asked)
}

/// A message that does not decode: no field is to blame.
fn undecodable(asked: Asked) -> Status {
    status::of_error(&ServiceError::InvalidFields(Vec::new()), asked)
}

fn split_off_status(headers: &mut HeaderMap) -> HeaderMap {
    let mut status: HeaderMap =
        STATUS_HEADERS.into_iter().filter_map(|name| headers.remove(&name).map(|value| (name, value))).collect();
    if let Some(details) = status.remove(Status::GRPC_STATUS_DETAILS) {
        status.insert(Status::GRPC_STATUS_DETAILS, of_one_reply(details));
    }
    status
}
