//! The layer that reads the rest of a request that is answered before its caller has sent everything.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;

use super::http_service::HttpService;

/// How much of the rest is read: as much as a peer sends without a window update, at the usual window sizes.
const MOST_BYTES: usize = 1024 * 1024;
/// How long the rest is read, or the stream is just kept open.
const LONGEST: Duration = Duration::from_secs(2);

/// Reads and drops, within bounds, what a caller still sends after its call has failed. Otherwise the stream would be
/// reset because it is answered before its end, and a proxy may forward the reset instead of the error. Meanwhile the
/// caller gets the reply, and stops sending.
pub(super) fn with_rests(inner: impl HttpService) -> impl HttpService {
    service_fn(move |request: Request<Body>| {
        let (give_back, mut rest) = oneshot::channel();
        let lent = |body| Body::new(Lent { body: Some(body), give_back: Some(give_back) });
        let answer = inner.clone().call(request.map(lent));
        async move {
            let response = answer.await?;
            if is_refusal(&response)
                && let Ok(rest) = rest.try_recv()
                && !rest.is_end_stream()
            {
                tokio::spawn(tokio::time::timeout(LONGEST, drop_rest(rest)));
            }
            Ok(response)
        }
    })
}

/// Whether a response is an error that is complete.
fn is_refusal(response: &Response<Body>) -> bool {
    response.status() != StatusCode::OK || response.headers().contains_key(Status::GRPC_STATUS)
}

async fn drop_rest(mut rest: Body) {
    let mut left = MOST_BYTES;
    while left > 0 {
        let Some(Ok(frame)) = rest.frame().await else { return };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
    // The peer sends no more than its window allows, and the stream stays open until the time is up.
    std::future::pending::<()>().await;
}

/// A body that is returned to its lender when it is dropped.
struct Lent {
    body: Option<Body>,
    give_back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(give_back)) = (self.body.take(), self.give_back.take()) {
            // There is no receiver if the call was answered in full.
            let _ = give_back.send(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use tokio::sync::mpsc;
    use tokio_stream::StreamExt;
    use tokio_stream::wrappers::ReceiverStream;
    use tower::Service;

    use super::*;

    /// A call that is answered at once. Returns the sender of the rest.
    async fn answered(answer: impl Fn() -> Response<Body> + Clone + Send + 'static) -> mpsc::Sender<Bytes> {
        let (sender, rest) = mpsc::channel::<Bytes>(1);
        let body = ReceiverStream::new(rest).map(|bytes| Ok::<_, Status>(Frame::data(bytes)));
        let request = Request::new(Body::new(StreamBody::new(body)));
        let inner = service_fn(move |_: Request<Body>| {
            let response = answer();
            async { Ok::<_, Infallible>(response) }
        });
        with_rests(inner).call(request).await.unwrap();
        sender
    }

    #[tokio::test]
    async fn the_rest_of_a_call_that_failed_is_read_and_dropped() {
        let part = Bytes::from(vec![0; MOST_BYTES / 4]);
        let unsupported = || Response::builder().status(415).body(Body::empty()).unwrap();
        for sender in [answered(|| Status::unauthenticated("").into_http()).await, answered(unsupported).await] {
            for _ in 0..4 {
                sender.send(part.clone()).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn the_rest_is_read_within_a_bound() {
        let sender = answered(|| Status::unauthenticated("").into_http()).await;
        sender.send(Bytes::from(vec![0; MOST_BYTES])).await.unwrap();
        // One more waits to be read, then there is no space until the stream is dropped.
        sender.send(Bytes::from_static(b"more")).await.unwrap();
        assert!(sender.send(Bytes::from_static(b"and more")).await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_read_behind_an_answer_that_goes_on() {
        let sender = answered(|| Response::new(Body::empty())).await;
        assert!(sender.send(Bytes::from_static(b"rest")).await.is_err());
    }
}
