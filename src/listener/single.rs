//! A small HTTP/1.1 server with one request on each connection, for what is not a call: metrics, and requests of a proxy.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tower::Service;

use super::accept::{Sockets, next_socket};
use crate::ports::{Clock, LimitedLines};

/// The line that reports that no connection can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NotAccepted;

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The limits of such a server.
#[derive(Debug, Clone, Copy)]
pub struct SingleLimits {
    /// Largest number of connections at a time.
    pub connections: u32,
    /// How long a connection may take, from its start to the last byte of the response.
    pub each_within: Duration,
}

/// Serves one request on each connection, until it is to stop. Then the connections that are there end. `report` gets an error of
/// accepting, which is retried, and how many were left out since the last one.
pub async fn serve_single<L, S, B>(
    listener: L,
    limits: SingleLimits,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
    report: impl Fn(&io::Error, u64),
    service: S,
) where
    L: Sockets,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections as usize));
    let mut lines = LimitedLines::default();
    let mut stop = pin!(stop);
    loop {
        let failed = |error: &io::Error| {
            if let Some(left_out) = lines.due(NotAccepted, clock.instant()) {
                report(error, left_out);
            }
        };
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, next_socket(&listener, failed).await)
        };
        let (place, (socket, _)) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let mut http1 = Builder::new();
        http1.timer(TokioTimer::new()).keep_alive(false).max_buf_size(MAX_HEAD_BYTES);
        let connection = http1.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            // The connection ends whether or not it was answered in time.
            let _ = tokio::time::timeout(limits.each_within, connection).await;
            drop(place);
        });
    }
    drop(listener);
    // The semaphore is never closed.
    let _ = places.acquire_many(limits.connections).await;
}
