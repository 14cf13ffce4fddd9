//! The final form of every reply: the request's id where clients look for it, and details on every error.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::{Code, Status};

use super::context::X_REQUEST_ID;
use super::status;
use crate::edge::{Measured, Reason, RequestContext, RequestId};
use crate::ports::meter::StatusCode as MetricCode;
use crate::service::ServiceError;

/// The header that the framework adds when it refuses the compression of a message.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Puts `x-request-id` where clients look for it: into the initial metadata, and into the trailers of an error. A
/// status without details gets some.
///
/// An error before the first message stays one block of headers ("Trailers-Only"): retry policies take a first block
/// without a status for the beginning of a response, and never retry after it (gRFC A6, "When Retries are Valid").
pub(super) fn finished(response: Response<Body>, context: RequestContext, measured: Measured) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if parts.headers.contains_key(Status::GRPC_STATUS) {
        conclude(&mut parts.headers, &context);
        measured.end(code_in(&parts.headers));
        return Response::from_parts(parts, Body::empty());
    }
    parts.headers.insert(X_REQUEST_ID, header_value(context.request_id));
    if parts.status != StatusCode::OK {
        measured.end(code_in(&parts.headers));
        return Response::from_parts(parts, body);
    }
    let mut measured = Some(measured);
    let body = body.map_frame(move |frame| match frame.into_trailers() {
        Ok(mut trailers) => {
            conclude(&mut trailers, &context);
            if let Some(measured) = measured.take() {
                measured.end(code_in(&trailers));
            }
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    });
    Response::from_parts(parts, Body::new(body))
}

/// Completes an error: adds details if it has none, and the request's id.
fn conclude(trailers: &mut HeaderMap, context: &RequestContext) {
    if trailers.get(Status::GRPC_STATUS).is_none_or(|code| code == "0") {
        return;
    }
    explain(trailers, context);
    trailers.insert(X_REQUEST_ID, header_value(context.request_id));
    if let Some(details) = trailers.remove(Status::GRPC_STATUS_DETAILS) {
        trailers.insert(Status::GRPC_STATUS_DETAILS, of_one_reply(details));
    }
}

/// Replaces an error without details by one with details.
fn explain(trailers: &mut HeaderMap, context: &RequestContext) {
    if trailers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(bare) = Status::from_header_map(trailers) else { return };
    let was_compressed = trailers.contains_key(ACCEPT_ENCODING);
    // Fixed words and base64 are always valid header values.
    let _ = explained(bare.code(), was_compressed, context).add_header(trailers);
}

/// The meaning of the framework's own errors. The framework decodes a message before a method sees it, and the errors
/// of our methods have details; so an `INTERNAL` here is a message that does not decode.
fn explained(code: Code, was_compressed: bool, context: &RequestContext) -> Status {
    let reason = match code {
        // No field is to blame.
        Code::Internal | Code::InvalidArgument => {
            return status::of_error(&ServiceError::InvalidFields(Vec::new()), context);
        }
        Code::Unimplemented if was_compressed => Reason::UnsupportedCompression,
        Code::Unimplemented => Reason::UnknownMethod,
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::NotFound => Reason::ServiceNotFound,
        Code::DeadlineExceeded | Code::Cancelled => Reason::DeadlineExceeded,
        Code::Unauthenticated => Reason::Unauthenticated,
        Code::PermissionDenied => Reason::AccessDenied,
        Code::Unavailable => Reason::Overloaded,
        _ => Reason::Internal,
    };
    status::of_reason(reason, context)
}

/// The code in the block of headers that ends an answer.
fn code_in(trailers: &HeaderMap) -> MetricCode {
    let number = trailers.get(Status::GRPC_STATUS).map(HeaderValue::as_bytes).map(Code::from_bytes);
    number.and_then(|code| MetricCode::ALL.get(code as usize)).copied().unwrap_or(MetricCode::Unknown)
}

fn header_value(id: RequestId) -> HeaderValue {
    // The text of a UUID is always a valid header value.
    of_one_reply(HeaderValue::try_from(id.to_string()).unwrap_or_else(|_| HeaderValue::from_static("")))
}

/// A value that no other reply has, which HTTP/2 therefore must not index (RFC 7541 §7.1.3). Otherwise it would evict
/// the headers that all replies share from a connection's table.
fn of_one_reply(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
