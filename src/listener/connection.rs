//! One connection, from start to end.

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::activity::Activity;
use super::metered::{Metered, Received};
use super::resets::Verdict;
use super::streams::{Streams, counted};
use super::tls::{TlsInForce, handshake};
use super::{Limits, MAX_CONCURRENT_STREAMS};
use crate::ports::meter::{Closing, Counter, Meter};
use crate::ports::{Clock, PeerCertificate};

/// Pings find dead peers; clients behind proxies stay connected.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// A token, a timeout and a correlation id are far smaller; clients themselves refuse 8 KiB and more.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Bytes that a peer may send of one message before the service has read it, and of all messages together: streams that
/// are not read must not block the others.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 32 * STREAM_WINDOW_BYTES;
/// Bytes of a response that the transport buffers for a peer that reads slowly.
const MAX_SEND_BUFFER_BYTES: usize = 32 * 1024;
/// Streams that the peer resets before the service has seen them, in one read of the connection. Resets of streams that
/// it has seen are counted over time instead (`resets`).
const MAX_PENDING_ACCEPT_RESET_STREAMS: usize = 4 * MAX_CONCURRENT_STREAMS as usize;
/// Streams that a peer makes us reset (CVE-2025-8671), in the whole life of a connection. This includes data on a
/// stream that was answered early, which honest clients of a shared connection send as well.
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 16 * 1024;
/// The preface of HTTP/2 and the header of the first frame (RFC 9113, section 3.4).
const GREETING_BYTES: u64 = 24 + 9;
/// How long a peer without a call may take to respond to the closing of the connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// The shared state of a listener's connections.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meter: Arc<dyn Meter>,
    /// Cancelled when new calls are no longer accepted.
    pub(super) stop: CancellationToken,
    /// Notified while other connections wait to be accepted.
    pub(super) crowded: Arc<Notify>,
    /// What connections are encrypted with; `None` means plaintext.
    pub(super) tls: Option<TlsInForce>,
}

/// A socket, or TLS on top of it.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Serves a connection until its peer closes it or it must end: the service stops, no call arrives, or the peer floods.
/// It then accepts no new calls, and finishes the open ones.
///
/// `service_of` makes the service for the calls of the connection, given the peer's certificate.
pub(super) async fn serve<S, B>(
    socket: TcpStream,
    service_of: impl FnOnce(Option<PeerCertificate>) -> S,
    shared: Shared,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let Shared { limits, clock, meter, stop, crowded, tls } = shared;
    let mut begin_by = pin!(tokio::time::sleep(limits.handshake));
    let (transport, certificate): (Box<dyn Transport>, _) = match tls {
        None => (Box::new(socket), None),
        Some(tls) => {
            tokio::select! {
                shaken = handshake(socket, tls, Arc::clone(&clock)) => match shaken {
                    Ok((stream, certificate)) => (Box::new(stream), certificate),
                    Err(error) => return tracing::debug!(error = &error as &dyn Error, "a handshake of TLS failed"),
                },
                () = begin_by.as_mut() => {
                    meter.count(Counter::ConnectionsClosed(Closing::Handshake));
                    return tracing::debug!("a peer does not complete the handshake of TLS in time");
                }
                () = stop.cancelled() => return,
            }
        }
    };
    let activity = Arc::new(Activity::new(Arc::clone(&clock)));
    let streams = Streams::new(Arc::clone(&activity), clock, limits.stall);
    let (transport, received) = Metered::new(transport);
    let service = counted(service_of(certificate), Arc::clone(&activity));
    let mut connection = pin!(http2(streams).serve_connection(TokioIo::new(transport), service));
    let is_unwanted = async {
        tokio::select! {
            () = silent(&received, begin_by) => Closing::Handshake,
            () = stop.cancelled() => Closing::Stopping,
            () = activity.idle_for(limits.idle) => Closing::Idle,
            () = made_room(&crowded, &activity, limits.handshake) => Closing::Crowded,
            () = activity.reaches(Verdict::Flood) => Closing::Cancellations,
        }
    };
    let reason = tokio::select! {
        ended = &mut connection => return report(ended),
        reason = is_unwanted => reason,
    };
    meter.count(Counter::ConnectionsClosed(reason));
    tracing::debug!(?reason, "closing a connection");
    if received.bytes() < GREETING_BYTES {
        return;
    }
    connection.as_mut().graceful_shutdown();
    let is_left = async {
        tokio::time::sleep(FAREWELL).await;
        activity.idle_for(FAREWELL).await;
    };
    tokio::select! {
        ended = &mut connection => report(ended),
        () = is_left => {}
        () = activity.reaches(Verdict::Relentless) => tracing::warn!("a connection was cut: its client kept cancelling calls"),
    }
}

fn http2(streams: Streams) -> Builder<Streams> {
    let mut http2 = Builder::new(streams);
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(MAX_SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_ACCEPT_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_LOCAL_ERROR_RESET_STREAMS);
    http2
}

/// Waits until the time to begin is over for a peer that has not begun.
async fn silent(received: &Received, begin_by: Pin<&mut Sleep>) {
    begin_by.await;
    if received.bytes() >= GREETING_BYTES {
        std::future::pending::<()>().await;
    }
}

/// Waits until other connections need the place of this one while it has no call.
async fn made_room(crowded: &Notify, activity: &Activity, least: Duration) {
    loop {
        crowded.notified().await;
        if activity.is_idle_for(least) {
            return;
        }
    }
}

fn report(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn Error, "a connection was lost");
    }
}
