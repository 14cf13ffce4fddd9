//! The requests of a connection: each gets its body, and then its answer.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::exchange::{Exchange, Stage};
use super::{Http1Edge, RequestLimits};
use crate::ports::{Clock, PeerCertificate, TransportProblem};

/// What answers the requests of a connection.
#[derive(Clone)]
pub(super) struct Requests<E> {
    pub(super) edge: E,
    pub(super) peer: SocketAddr,
    pub(super) certificate: Option<PeerCertificate>,
    pub(super) limits: RequestLimits,
    pub(super) clock: Arc<dyn Clock>,
    /// Cancelled when connections are to be closed soon.
    pub(super) stopping: CancellationToken,
    pub(super) exchange: Arc<Exchange>,
}

impl<E: Http1Edge> Service<Request<Incoming>> for Requests<E> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let requests = self.clone();
        requests.exchange.enter(Stage::Open);
        Box::pin(async move {
            let answer = requests.answer(request).await;
            requests.exchange.enter(Stage::Answered);
            Ok(answer.map(Full::new))
        })
    }
}

impl<E: Http1Edge> Requests<E> {
    /// Answers a request. A panic is an internal error like any other. An edge catches those of its use cases itself, because
    /// it knows the request's id and counts it; here the others are caught, of every edge.
    async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        let began = self.clock.instant();
        let (head, body) = request.into_parts();
        let answer = async {
            match self.whole(body, began).await {
                Ok(body) => {
                    let answer = self.edge.answer(&head, &body, self.peer, self.certificate.as_ref(), began).await;
                    (answer, self.stopping.is_cancelled())
                }
                // The next request can't be found behind a body that was not read.
                Err(problem) => (self.edge.refuse(Some(&head), self.peer, problem), true),
            }
        };
        let answered = AssertUnwindSafe(answer).catch_unwind().await;
        let (mut answer, is_last) = answered.unwrap_or_else(|_panic| {
            tracing::error!(peer = %self.peer, "a request panicked");
            (self.edge.refuse(Some(&head), self.peer, TransportProblem::Internal), true)
        });
        if is_last {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn whole(&self, body: Incoming, began: Instant) -> Result<Bytes, TransportProblem> {
        let most = self.limits.body_bytes;
        if body.size_hint().lower() > most.try_into().unwrap_or(u64::MAX) {
            return Err(TransportProblem::BodyTooLarge);
        }
        let whole = timeout_at((began + self.limits.body_within).into(), Limited::new(body, most).collect()).await;
        match whole {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(problem_of(error.as_ref())),
            Err(_) => Err(TransportProblem::TooSlow),
        }
    }
}

/// What is wrong with a body that can't be read.
fn problem_of(error: &(dyn Error + 'static)) -> TransportProblem {
    if error.is::<LengthLimitError>() {
        return TransportProblem::BodyTooLarge;
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::UnexpectedEof) => TransportProblem::Incomplete,
        _ => TransportProblem::Malformed,
    }
}
