//! A connection of HTTP/1.1, whose requests are answered one after the other.
//!
//! hyper itself answers a request that it can't read, or closes the connection without an answer. The clients of an edge
//! understand neither. So hyper writes only what the edge has answered (`exchange`), and once hyper is done with a connection,
//! the edge answers here what hyper could not read.

mod exchange;
mod requests;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, request};
use http_body_util::Full;
use hyper::server::conn::http1::{Builder, Connection, Parts};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Connections;
use super::connection::{FAREWELL, Opened, Transport, made_room, open, part};
use super::tls::Protocol;
use crate::ports::meter::{Closing, Counter};
use crate::ports::{PeerCertificate, TransportProblem};
use exchange::{Exchange, Guarded, Stage};
use requests::Requests;

/// The largest head of a request. The SDKs put two passwords into the query, each of up to 3 KiB when it is encoded.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How HTTP/2 begins.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// Answers the requests of HTTP/1.1.
pub trait Http1Edge: Clone + Send + Sync + 'static {
    /// Answers a request whose body is there. `began` is when its head was.
    fn answer(
        &self,
        head: &request::Parts,
        body: &[u8],
        peer: SocketAddr,
        certificate: Option<&PeerCertificate>,
        began: Instant,
    ) -> impl Future<Output = Response<Bytes>> + Send;

    /// Answers a request that can't be answered as it should be. The head is not always there.
    fn refuse(&self, head: Option<&request::Parts>, peer: SocketAddr, problem: TransportProblem) -> Response<Bytes>;
}

/// The limits of each request of HTTP/1.1.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// The largest body.
    pub body_bytes: usize,
    /// The longest time from the head to the end of the body.
    pub body_within: Duration,
}

/// How the exchanges of a connection ended.
enum Ending {
    /// hyper is done with it.
    Served(hyper::Result<()>),
    /// It is closed for this reason.
    Closed(Closing),
}

/// Serves a connection until its peer closes it or it must end: the service stops, no request arrives, or one can't be
/// read. Requests that have begun are answered.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    edge: impl Http1Edge,
    request_limits: RequestLimits,
    stopping: CancellationToken,
    connections: Connections,
) {
    if let Some(opened) = open(socket, Protocol::Http1, &connections).await {
        serve_opened(opened, peer, edge, request_limits, stopping, connections).await;
    }
}

async fn serve_opened<E: Http1Edge>(
    opened: Opened,
    peer: SocketAddr,
    edge: E,
    request_limits: RequestLimits,
    stopping: CancellationToken,
    connections: Connections,
) {
    let Opened { transport, certificate, begin_by } = opened;
    let exchange = Arc::new(Exchange::new(Arc::clone(&connections.clock), connections.limits, begin_by));
    let requests = Requests {
        edge: edge.clone(),
        peer,
        certificate,
        limits: request_limits,
        clock: Arc::clone(&connections.clock),
        stopping,
        exchange: Arc::clone(&exchange),
    };
    let transport = TokioIo::new(Guarded::new(transport, Arc::clone(&exchange)));
    let mut hyper = http1().serve_connection(transport, requests);
    let ending = exchanges(&mut hyper, &exchange, &connections).await;
    let stage = exchange.stage();
    let Parts { io, read_buf: unread, .. } = hyper.into_parts();
    let mut transport = io.into_inner().into_inner();
    let problem = match &ending {
        // Nothing may follow a part of an answer.
        _ if matches!(stage, Stage::Open | Stage::Answered) => None,
        Ending::Served(Err(error)) => problem_of(error, &unread),
        Ending::Closed(Closing::Handshake) if stage == Stage::Head => Some(TransportProblem::TooSlow),
        _ => None,
    };
    if let Some(problem) = problem {
        let answer = edge.refuse(None, peer, problem);
        let _ = tokio::time::timeout(FAREWELL, write(answer, &mut transport)).await;
    }
    if problem.is_some() || matches!(ending, Ending::Served(_)) {
        part(transport).await;
    } else {
        let _ = tokio::time::timeout(FAREWELL, transport.shutdown()).await;
    }
}

/// A connection, as hyper serves it.
type Hyper<E> = Connection<TokioIo<Guarded<Box<dyn Transport>>>, Requests<E>>;

fn http1() -> Builder {
    let mut http1 = Builder::new();
    // A client that closes its side is gone: nothing is done for it. The limits in time are those of the exchange.
    http1.header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES).max_header_size(MAX_HEAD_BYTES);
    http1
}

/// Has hyper serve the exchanges of a connection until it ends.
async fn exchanges<E: Http1Edge>(hyper: &mut Hyper<E>, exchange: &Exchange, connections: &Connections) -> Ending {
    let Connections { limits, meter, stop, crowded, .. } = connections;
    let stopped = async {
        stop.cancelled().await;
        exchange.is_unused().await;
    };
    let ending = tokio::select! {
        biased;
        ended = &mut *hyper => Ending::Served(ended),
        reason = exchange.overdue() => Ending::Closed(reason),
        () = made_room(crowded, || exchange.is_idle_for(limits.handshake)) => Ending::Closed(Closing::Crowded),
        () = stopped => Ending::Closed(Closing::Stopping),
    };
    if let Ending::Closed(reason) = ending {
        meter.count(Counter::ConnectionsClosed(reason));
        tracing::debug!(?reason, "closing a connection");
    }
    ending
}

/// What is wrong with a request that hyper could not read, or `None` if the connection was lost.
fn problem_of(error: &hyper::Error, unread: &[u8]) -> Option<TransportProblem> {
    tracing::debug!(error = error as &dyn Error, "a request can't be read");
    match error {
        error if error.is_parse_too_large() => Some(TransportProblem::HeadTooLarge),
        error if error.is_parse() && unread.starts_with(HTTP2) => Some(TransportProblem::Version),
        error if error.is_parse() => Some(TransportProblem::Malformed),
        error if error.is_incomplete_message() => Some(TransportProblem::Incomplete),
        _ => None,
    }
}

/// Writes an answer that has no request, as hyper writes those that have one.
async fn write(answer: Response<Bytes>, transport: impl Transport) {
    let request: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    let transport = TokioIo::new(tokio::io::join(request, transport));
    let answer = service_fn(|_| ready(Ok::<_, Infallible>(answer.clone().map(Full::new))));
    // Nothing follows this request.
    let _ = http1().half_close(true).keep_alive(false).serve_connection(transport, answer).await;
}
