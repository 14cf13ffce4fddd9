//! TLS: a set of files that fit together, and the handshake of a connection.

mod clients;
mod forwarded;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod peer;
mod set;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::part;
use crate::domain::time::Timestamp;
use crate::ports::{Clock, PeerCertificate};

pub use set::{TlsPart, TlsProblem, TlsSet, TlsTexts};

/// The set in force. A new one applies to the connections that are accepted from then on.
pub type TlsInForce = watch::Receiver<Arc<TlsSet>>;

/// What a connection speaks over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1, also with a peer that names no protocol.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The time of handshakes, by the clock of the service.
struct HandshakeTime(Arc<dyn Clock>);

impl fmt::Debug for HandshakeTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HandshakeTime")
    }
}

impl TimeProvider for HandshakeTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}

fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(at.since(Timestamp::from_micros(0)).unwrap_or_default())
}

/// Performs the handshake of a connection, as its server. May take any time. Returns the peer's certificate as
/// well, if it has one.
pub(super) async fn handshake(
    socket: TcpStream,
    in_force: TlsInForce,
    protocol: Protocol,
    clock: Arc<dyn Clock>,
) -> io::Result<(TlsStream<TcpStream>, Option<PeerCertificate>)> {
    let set = Arc::clone(&in_force.borrow());
    let accepted = TlsAcceptor::from(set.server_config(protocol)).accept(socket).into_fallible().await;
    match accepted {
        Ok(stream) => {
            let certificate = peer::certificate(stream.get_ref().1, &set, in_force, clock);
            Ok((stream, certificate))
        }
        Err((error, socket)) => {
            part(socket).await;
            Err(error)
        }
    }
}
