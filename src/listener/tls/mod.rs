//! TLS: a set of files that fit together, and the handshake of a connection.

mod forwarded;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod peer;
mod set;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::domain::time::Timestamp;
use crate::ports::{Clock, PeerCertificate};

pub use set::{TlsPart, TlsProblem, TlsSet, TlsTexts};

/// How long a refused peer may take to read the alert that says why.
const FAREWELL: Duration = Duration::from_secs(1);

/// The set in force. A new one applies to the connections that are accepted from then on.
pub type TlsInForce = watch::Receiver<Arc<TlsSet>>;

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
    clock: Arc<dyn Clock>,
) -> io::Result<(TlsStream<TcpStream>, Option<PeerCertificate>)> {
    let set = Arc::clone(&in_force.borrow());
    let accepted = TlsAcceptor::from(set.server_config()).accept(socket).into_fallible().await;
    match accepted {
        Ok(stream) => {
            let certificate = peer::certificate(stream.get_ref().1, &set, in_force, clock);
            Ok((stream, certificate))
        }
        Err((error, socket)) => {
            let _ = tokio::time::timeout(FAREWELL, part(socket)).await;
            Err(error)
        }
    }
}

/// Closes our side and reads what the peer still sends: a socket that is closed with unread data is reset, and a reset
/// may overtake the alert.
async fn part(mut socket: TcpStream) {
    let mut rest = [0; 4096];
    if socket.shutdown().await.is_ok() {
        while matches!(socket.read(&mut rest).await, Ok(1..)) {}
    }
}
