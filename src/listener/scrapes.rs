//! A small HTTP/1.1 server beside the calls, for metrics.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::Service;

use super::accept::next_socket;
use crate::ports::{Clock, LimitedLines};

/// The line that reports that no connection can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NotAccepted;

/// Largest number of connections at a time.
const CONNECTIONS: usize = 16;
/// How long a connection may take, from the first byte of its one request to the last byte of the response.
const EACH_WITHIN: Duration = Duration::from_secs(10);

/// Serves one request on each connection, for ever.
pub async fn serve_scrapes<S, B>(listener: TcpListener, clock: Arc<dyn Clock>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut lines = LimitedLines::default();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let report = |error: &io::Error| {
            if let Some(left_out) = lines.due(NotAccepted, clock.instant()) {
                let error = error as &dyn Error;
                tracing::warn!(error, left_out, "can't accept connections for metrics; it will be retried");
            }
        };
        let (socket, _) = next_socket(&listener, report).await;
        let mut http1 = Builder::new();
        http1.timer(TokioTimer::new()).keep_alive(false);
        let connection = http1.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            // The connection ends whether or not it was answered in time.
            let _ = tokio::time::timeout(EACH_WITHIN, connection).await;
            drop(place);
        });
    }
}
