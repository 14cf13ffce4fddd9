//! A connection of HTTP/2, from its first byte to its end.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tower::Service;

use super::activity::Activity;
use super::connection::{FAREWELL, Opened, made_room, open};
use super::metered::{Metered, Received};
use super::resets::Verdict;
use super::streams::{Streams, counted};
use super::tls::Protocol;
use super::{Connections, MAX_CONCURRENT_STREAMS};
use crate::ports::PeerCertificate;
use crate::ports::meter::{Closing, Counter};

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

/// Serves a connection until its peer closes it or it must end: the service stops, no call arrives, or the peer floods.
/// It then accepts no new calls, and finishes the open ones.
///
/// `service_of` makes the service for the calls of the connection, given the peer's certificate.
pub(super) async fn serve<S, B>(
    socket: TcpStream,
    service_of: impl FnOnce(Option<PeerCertificate>) -> S,
    connections: Connections,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let Some(Opened { transport, certificate, begin_by }) = open(socket, Protocol::Http2, &connections).await else {
        return;
    };
    let Connections { limits, clock, meter, stop, crowded, .. } = connections;
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
            () = made_room(&crowded, || activity.is_idle_for(limits.handshake)) => Closing::Crowded,
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
async fn silent(received: &Received, begin_by: Instant) {
    sleep_until(begin_by.into()).await;
    if received.bytes() >= GREETING_BYTES {
        std::future::pending::<()>().await;
    }
}

fn report(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn Error, "a connection was lost");
    }
}
