//! Accepting connections.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::Limits;
use super::connection::{Shared, serve};
use super::descriptors::affordable;
use super::tls::TlsInForce;
use crate::ports::meter::{AcceptWait, Counter, Gauge, Gauged, Meter};
use crate::ports::retries::ACCEPT_AFTER;
use crate::ports::{Clock, LimitedLines, PeerCertificate};

/// How often idle connections are asked to make room while others wait.
const MAKE_ROOM_EVERY: Duration = Duration::from_secs(1);

/// Serves connections until `stop` is cancelled, each with its own service that knows its peer's address and
/// certificate, and over TLS if there is a set for it. Then waits until all connections have finished their open calls.
/// If it is dropped, the connections are cut.
pub async fn accept<S, B>(
    listener: TcpListener,
    tls: Option<TlsInForce>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    stop: CancellationToken,
    service_of_connection: impl Fn(SocketAddr, Option<PeerCertificate>) -> S + Clone + Send + 'static,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let shared = Shared { limits, clock, meter, stop: stop.clone(), crowded: Arc::new(Notify::new()), tls };
    let mut door = Door::new(listener, affordable(limits.connections, limits.other_descriptors), shared.clone());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            (socket, peer, place) = door.next() => {
                let service_of_connection = service_of_connection.clone();
                let service_of = move |certificate| service_of_connection(peer, certificate);
                let connection = serve(socket, service_of, shared.clone());
                let gauged = Gauged::new(&shared.meter, Gauge::Connections);
                connections.spawn(async move {
                    connection.await;
                    drop((place, gauged));
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    // New connections are refused from here on.
    drop(door);
    while connections.join_next().await.is_some() {}
}

/// Accepts connections, one for each free place.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    shared: Shared,
    lines: LimitedLines<AcceptWait>,
}

impl Door {
    fn new(listener: TcpListener, places: usize, shared: Shared) -> Self {
        // A larger number makes no difference.
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { listener, places, shared, lines: LimitedLines::default() }
    }

    async fn next(&mut self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let place = self.place().await;
        let report = |error: &io::Error| {
            self.shared.meter.count(Counter::AcceptWaits(AcceptWait::Resources));
            if let Some(left_out) = self.lines.due(AcceptWait::Resources, self.shared.clock.instant()) {
                let error = error as &dyn Error;
                tracing::warn!(error, left_out, "can't accept connections; it will be retried");
            }
        };
        let (socket, peer) = next_socket(&self.listener, report).await;
        // Sends small frames at once.
        let _ = socket.set_nodelay(true);
        (socket, peer, place)
    }

    /// Waits for a free place. While there is none, idle connections are closed.
    async fn place(&mut self) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        self.shared.meter.count(Counter::AcceptWaits(AcceptWait::Limit));
        loop {
            if self.lines.due(AcceptWait::Limit, self.shared.clock.instant()).is_some() {
                tracing::warn!("server.max_connections is reached: new connections wait");
            }
            self.shared.crowded.notify_waiters();
            let place = Arc::clone(&self.places).acquire_owned();
            // The semaphore is never closed.
            if let Ok(Ok(place)) = tokio::time::timeout(MAKE_ROOM_EVERY, place).await {
                return place;
            }
        }
    }
}

/// The next connection. While the system has no resources for another one, reports this and pauses.
pub(super) async fn next_socket(listener: &TcpListener, mut report: impl FnMut(&io::Error)) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_exhausted(&error) => {
                report(&error);
                tokio::time::sleep(ACCEPT_AFTER).await;
            }
            // The error is about that one connection, which is gone.
            Err(error) => {
                tracing::debug!(error = &error as &dyn Error, "a connection was lost before it was accepted");
            }
        }
    }
}

/// Whether the process or the system has run out of something. Any other error is about one connection (`accept(2)`).
fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemClock;
    use crate::listener::bind;
    use crate::ports::NoMeter;

    #[test]
    fn only_what_is_exhausted_makes_accepting_wait() {
        let errors = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        assert!(errors.iter().all(|&error| is_exhausted(&error.into())));
        let errors = [Errno::CONNABORTED, Errno::CONNRESET, Errno::PERM, Errno::PROTO, Errno::INTR, Errno::NETDOWN];
        assert!(!errors.iter().any(|&error| is_exhausted(&error.into())));
        assert!(!is_exhausted(&io::ErrorKind::Other.into()));
    }

    #[tokio::test]
    async fn small_frames_are_sent_at_once() {
        let listener = bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let long = Duration::from_mins(1);
        let limits = Limits { connections: 1, other_descriptors: 0, handshake: long, idle: long, stall: long };
        let (clock, meter) = (Arc::new(SystemClock), Arc::new(NoMeter));
        let shared =
            Shared { limits, clock, meter, stop: CancellationToken::new(), crowded: Arc::default(), tls: None };
        let mut door = Door::new(listener, 1, shared);
        assert!(door.next().await.0.nodelay().unwrap());
    }
}
