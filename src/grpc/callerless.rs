//! What needs no caller, health and reflection, must cost next to nothing: of a request little is kept, and there are so many
//! streams at a time on one connection, each for so long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Request};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;

use super::context::context_of;
use super::handler::Handler;
use super::{reflection, status};
use crate::edge::RequestContext;
use crate::ports::NotAdmitted;
use crate::service::{Call, ServiceError};

/// The headers that are read once a call without a caller has come this far.
const READ_HEADERS: [HeaderName; 2] = [CONTENT_TYPE, HeaderName::from_static("grpc-encoding")];
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";
/// When a client that is refused should try again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What such streams may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamLimits {
    /// How many there may be on a connection.
    pub(super) at_a_time: usize,
    /// How long one may last.
    pub(super) longest: Duration,
}

/// Drops the headers that nothing reads of a call without a caller: they would be kept until its message comes.
///
/// Refuses streams without a caller beyond the limit with `OVERLOADED`, and ends those that last too long. For one
/// connection.
pub(super) fn with_stream_limits(inner: impl Handler, limits: StreamLimits) -> impl Handler {
    let places = Arc::new(Semaphore::new(limits.at_a_time));
    service_fn(move |mut request: Request<Body>| {
        let (mut inner, places) = (inner.clone(), Arc::clone(&places));
        if request.extensions().get::<Call>().is_none() {
            keep_read_headers(request.headers_mut());
        }
        async move {
            if !is_stream(request.uri().path()) {
                return inner.call(request).await;
            }
            let context = match context_of(request.extensions()) {
                Ok(context) => context,
                Err(status) => return Ok(status.into_http()),
            };
            let Ok(place) = places.try_acquire_owned() else {
                let error = NotAdmitted::Overloaded { expected_wait: AGAIN_AFTER };
                return Ok(status::of_error(&ServiceError::NotAdmitted(error), &context).into_http());
            };
            let timer = Box::pin(tokio::time::sleep(limits.longest));
            let bounded = |body| Body::new(Bounded { body, context, timer, is_over: false, _place: place });
            inner.call(request).await.map(|response| response.map(bounded))
        }
    })
}

fn keep_read_headers(headers: &mut HeaderMap) {
    let read = READ_HEADERS.into_iter().filter_map(|name| headers.remove(&name).map(|value| (name, value)));
    *headers = read.collect();
}

fn is_stream(path: &str) -> bool {
    path == HEALTH_WATCH || reflection::PATHS.contains(&path)
}

/// The answers of a stream, while there is time. The stream has its place until this is dropped.
struct Bounded {
    body: Body,
    context: RequestContext,
    timer: Pin<Box<Sleep>>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return Pin::new(&mut self.body).poll_frame(context);
        }
        self.is_over = true;
        let mut trailers = HeaderMap::new();
        // Fixed words and base64 are always headers' values.
        let _ = status::of_error(&ServiceError::DeadlineExceeded, &self.context).add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{HeaderValue, Response};
    use http_body_util::BodyExt;
    use tonic::Code;

    use super::*;

    /// An edge whose answers never end.
    fn endless() -> impl Handler {
        service_fn(async |_| {
            let body = http_body_util::StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, Status>>());
            Ok::<_, Infallible>(Response::new(Body::new(body)))
        })
    }

    async fn answer(edge: &mut impl Handler, path: &str) -> Response<Body> {
        let context = RequestContext::of_test(None);
        edge.call(Request::post(path).extension(context).body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_stream_has_its_place_until_it_is_dropped() {
        let limits = StreamLimits { at_a_time: 2, longest: Duration::from_hours(1) };
        let mut edge = with_stream_limits(endless(), limits);
        let code = |response: &Response<Body>| Status::from_header_map(response.headers()).map(|status| status.code());
        let first = answer(&mut edge, HEALTH_WATCH).await;
        let second = answer(&mut edge, reflection::PATHS[0]).await;
        assert_eq!((code(&first), code(&second)), (None, None));
        assert_eq!(code(&answer(&mut edge, HEALTH_WATCH).await), Some(Code::Unavailable));
        assert_eq!(code(&answer(&mut edge, "/grpc.health.v1.Health/Check").await), None);
        drop(first);
        assert_eq!(code(&answer(&mut edge, HEALTH_WATCH).await), None);
    }

    #[test]
    fn of_a_request_without_a_caller_only_the_headers_that_are_read_are_kept() {
        let mut headers: HeaderMap =
            READ_HEADERS.map(|name| (name, HeaderValue::from_static("x"))).into_iter().collect();
        let read = headers.clone();
        headers.insert("x-filler", HeaderValue::from_static("x"));
        keep_read_headers(&mut headers);
        assert_eq!(headers, read);
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_time_is_up() {
        let limits = StreamLimits { at_a_time: 1, longest: Duration::ZERO };
        let mut edge = with_stream_limits(endless(), limits);
        let collected = answer(&mut edge, HEALTH_WATCH).await.into_body().collect().await.unwrap();
        let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
