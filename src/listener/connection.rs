//! One connection before its first request, and its end: what the versions of HTTP share.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::Connections;
use super::tls::{Protocol, handshake};
use crate::ports::PeerCertificate;
use crate::ports::meter::{Closing, Counter};

/// How long a peer may take to read the last bytes and to close its side.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// A socket, or TLS on top of it.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that is ready for HTTP.
pub(super) struct Opened {
    pub(super) transport: Box<dyn Transport>,
    pub(super) certificate: Option<PeerCertificate>,
    /// When the peer must have begun its first request.
    pub(super) begin_by: Instant,
}

/// Encrypts a connection, if there is TLS. `None` if the peer does not complete the handshake.
pub(super) async fn open(socket: TcpStream, protocol: Protocol, connections: &Connections) -> Option<Opened> {
    let Connections { limits, clock, meter, stop, tls, .. } = connections;
    let begin_by = clock.instant() + limits.handshake;
    let Some(tls) = tls.clone() else {
        return Some(Opened { transport: Box::new(socket), certificate: None, begin_by });
    };
    tokio::select! {
        shaken = handshake(socket, tls, protocol, Arc::clone(clock)) => match shaken {
            Ok((stream, certificate)) => Some(Opened { transport: Box::new(stream), certificate, begin_by }),
            Err(error) => {
                tracing::debug!(error = &error as &dyn Error, "a handshake of TLS failed");
                None
            }
        },
        () = sleep_until(begin_by.into()) => {
            meter.count(Counter::ConnectionsClosed(Closing::Handshake));
            tracing::debug!("a peer does not complete the handshake of TLS in time");
            None
        }
        () = stop.cancelled() => None,
    }
}

/// Waits until other connections need the place of this one while it is idle.
pub(super) async fn made_room(crowded: &Notify, is_idle: impl Fn() -> bool) {
    loop {
        crowded.notified().await;
        if is_idle() {
            return;
        }
    }
}

/// Closes our side and reads what the peer still sends: a socket that is closed with unread data is reset, and a reset
/// may overtake the last bytes that were sent.
pub(super) async fn part(mut transport: impl Transport) {
    let until_the_peer_closes = async {
        let mut rest = [0; 4096];
        if transport.shutdown().await.is_ok() {
            while matches!(transport.read(&mut rest).await, Ok(1..)) {}
        }
    };
    let _ = tokio::time::timeout(FAREWELL, until_the_peer_closes).await;
}
