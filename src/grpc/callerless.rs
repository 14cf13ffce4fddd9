//! Health and reflection need no caller, so they must cost next to nothing: little of a request is kept, the number of
//! streams on a connection and the duration of each are bounded, and a stop waits for none of them.

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
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;

use super::context::context_of;
use super::http_service::HttpService;
use super::{reflection, status};
use crate::edge::RequestContext;
use crate::ports::NotAdmitted;
use crate::service::error::Interruption;
use crate::service::{Call, ServiceError};

/// The headers that inner layers still read of a call without a caller.
const READ_HEADERS: [HeaderName; 2] = [CONTENT_TYPE, HeaderName::from_static("grpc-encoding")];
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";
/// When a refused client should retry.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The error when the service stops.
const STOPPING: ServiceError = ServiceError::WatchInterrupted(Interruption::Stopping);

/// The limits of streams without a caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamLimits {
    /// Largest number on a connection.
    pub(super) at_a_time: usize,
    /// How long one may last.
    pub(super) longest: Duration,
}

/// Drops the headers of a call without a caller that nothing reads: they would be kept until its message arrives.
///
/// Refuses streams without a caller beyond the limit with `OVERLOADED`, and ends those that last too long. When the
/// service stops, it ends all of them, and the calls without a caller whose message has not arrived yet. For one
/// connection.
pub(super) fn with_stream_limits(
    inner: impl HttpService,
    limits: StreamLimits,
    stopping: CancellationToken,
) -> impl HttpService {
    let places = Arc::new(Semaphore::new(limits.at_a_time));
    service_fn(move |mut request: Request<Body>| {
        let (mut inner, places, stopping) = (inner.clone(), Arc::clone(&places), stopping.clone());
        async move {
            if request.extensions().get::<Call>().is_some() {
                return inner.call(request).await;
            }
            keep_read_headers(request.headers_mut());
            let context = match context_of(request.extensions()) {
                Ok(context) => context,
                Err(status) => return Ok(status.into_http()),
            };
            let mut stream = None;
            if is_stream(request.uri().path()) {
                let Ok(place) = places.try_acquire_owned() else {
                    let error = NotAdmitted::Overloaded { expected_wait: AGAIN_AFTER };
                    return Ok(status::of_error(&ServiceError::NotAdmitted(error), &context).into_http());
                };
                stream = Some((place, Box::pin(tokio::time::sleep(limits.longest))));
            }
            let response = tokio::select! {
                biased;
                response = inner.call(request) => response?,
                () = stopping.cancelled() => status::of_error(&STOPPING, &context).into_http(),
            };
            let Some((place, timer)) = stream else { return Ok(response) };
            let end = Box::pin(stopping.cancelled_owned());
            Ok(response.map(|body| Body::new(Bounded { body, context, timer, end, is_over: false, _place: place })))
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

/// The replies of a stream, until its time is up. The stream keeps its place until this is dropped.
struct Bounded {
    body: Body,
    context: RequestContext,
    timer: Pin<Box<Sleep>>,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
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
        let end = if self.timer.as_mut().poll(context).is_ready() {
            ServiceError::DeadlineExceeded
        } else if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        } else if self.end.as_mut().poll(context).is_ready() {
            STOPPING
        } else {
            return Poll::Pending;
        };
        self.is_over = true;
        let mut trailers = HeaderMap::new();
        // Fixed words and base64 are always valid header values.
        let _ = status::of_error(&end, &self.context).add_header(&mut trailers);
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

    /// An edge whose replies never end.
    fn endless() -> impl HttpService {
        service_fn(async |_| {
            let body = http_body_util::StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, Status>>());
            Ok::<_, Infallible>(Response::new(Body::new(body)))
        })
    }

    async fn answer(edge: &mut impl HttpService, path: &str) -> Response<Body> {
        let context = RequestContext::of_test(None);
        edge.call(Request::post(path).extension(context).body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_stream_has_its_place_until_it_is_dropped() {
        let limits = StreamLimits { at_a_time: 2, longest: Duration::from_hours(1) };
        let mut edge = with_stream_limits(endless(), limits, CancellationToken::new());
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
    async fn a_stop_waits_for_nothing_that_needs_no_caller() {
        let limits = StreamLimits { at_a_time: 2, longest: Duration::from_hours(1) };
        let stopping = CancellationToken::new();
        let mut edge = with_stream_limits(endless(), limits, stopping.clone());
        let open = answer(&mut edge, reflection::PATHS[0]).await;
        // Calls whose message does not arrive.
        let silent = service_fn(async |_| std::future::pending().await);
        let mut silent = with_stream_limits(silent, limits, stopping.clone());
        stopping.cancel();
        let ended = open.into_body().collect().await.unwrap();
        let refused =
            [answer(&mut silent, HEALTH_WATCH).await, answer(&mut silent, "/grpc.health.v1.Health/Check").await];
        for headers in [ended.trailers().unwrap(), refused[0].headers(), refused[1].headers()] {
            let status = Status::from_header_map(headers).unwrap();
            assert_eq!((status.code(), status.message()), (Code::Unavailable, "the service is stopping"));
        }
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_time_is_up() {
        let limits = StreamLimits { at_a_time: 1, longest: Duration::ZERO };
        let mut edge = with_stream_limits(endless(), limits, CancellationToken::new());
        let collected = answer(&mut edge, HEALTH_WATCH).await.into_body().collect().await.unwrap();
        let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
