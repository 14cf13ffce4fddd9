//! Accepting connections, of any number of listeners.

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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::descriptors::affordable;
use super::http1::{self, Http1Edge, RequestLimits};
use super::tls::TlsInForce;
use super::{Limits, http2};
use crate::ports::meter::{AcceptWait, Counter, Gauge, Gauged, Meter};
use crate::ports::retries::ACCEPT_AFTER;
use crate::ports::{Clock, LimitedLines, PeerCertificate};

/// How often idle connections are asked to make room while others wait.
const MAKE_ROOM_EVERY: Duration = Duration::from_secs(1);

/// What all listeners share: the places for connections, the limits of each connection, and what encrypts them.
#[derive(Clone)]
pub struct Connections {
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meter: Arc<dyn Meter>,
    /// Cancelled when new calls are no longer accepted.
    pub(super) stop: CancellationToken,
    /// Notified while other connections wait to be accepted.
    pub(super) crowded: Arc<Notify>,
    /// What connections are encrypted with; `None` means plaintext.
    pub(super) tls: Option<TlsInForce>,
    places: Arc<Semaphore>,
}

impl Connections {
    /// Connections that are served until `stop` is cancelled, over TLS if there is a set for it.
    pub fn new(
        limits: Limits,
        tls: Option<TlsInForce>,
        clock: Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
        stop: CancellationToken,
    ) -> Self {
        // A larger number makes no difference.
        let places = affordable(limits.connections, limits.other_descriptors).min(Semaphore::MAX_PERMITS);
        Self { limits, clock, meter, stop, crowded: Arc::default(), tls, places: Arc::new(Semaphore::new(places)) }
    }

    /// Serves HTTP/2, with a service for each connection that knows its peer's address and certificate. When it is
    /// stopped, waits until all connections have finished their open calls. If it is dropped, the connections are cut.
    pub async fn accept_http2<S, B>(
        self,
        listener: TcpListener,
        service_of_connection: impl Fn(SocketAddr, Option<PeerCertificate>) -> S + Clone + Send + 'static,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
            + Clone
            + Send
            + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        let serve = |socket, peer, connections| {
            let service_of_connection = service_of_connection.clone();
            http2::serve(socket, move |certificate| service_of_connection(peer, certificate), connections)
        };
        self.accept(listener, serve).await;
    }

    /// Serves HTTP/1.1 in the same way. The edge answers each request, and each that can't be read. Once `stopping` is
    /// cancelled, each connection is closed after its next answer, which says so: some clients send a request again only
    /// if they knew that the connection would close.
    pub async fn accept_http1<E: Http1Edge>(
        self,
        listener: TcpListener,
        limits: RequestLimits,
        edge: E,
        stopping: CancellationToken,
    ) {
        let serve =
            |socket, peer, connections| http1::serve(socket, peer, edge.clone(), limits, stopping.clone(), connections);
        self.accept(listener, serve).await;
    }

    async fn accept<F: Future<Output = ()> + Send + 'static>(
        self,
        listener: TcpListener,
        serve: impl Fn(TcpStream, SocketAddr, Self) -> F,
    ) {
        let mut door = Door::new(listener, self.clone());
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                (socket, peer, place) = door.next() => {
                    let connection = serve(socket, peer, self.clone());
                    let gauged = Gauged::new(&self.meter, Gauge::Connections);
                    served.spawn(async move {
                        connection.await;
                        drop((place, gauged));
                    });
                }
                Some(_) = served.join_next() => {}
            }
        }
        // New connections are refused from here on.
        drop(door);
        while served.join_next().await.is_some() {}
    }
}

/// Accepts connections, and serves each once it has a place.
struct Door {
    listener: TcpListener,
    connections: Connections,
    lines: LimitedLines<AcceptWait>,
    /// The connection that waits for a place.
    waiting: Option<(TcpStream, SocketAddr)>,
}

impl Door {
    fn new(listener: TcpListener, connections: Connections) -> Self {
        Self { listener, connections, lines: LimitedLines::default(), waiting: None }
    }

    /// The next connection with its place. If this is dropped early, the next call goes on with the same connection.
    async fn next(&mut self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            if self.waiting.is_none() {
                self.waiting = Some(self.accepted().await);
            }
            // Only now: as long as no connection waits, none has to make room.
            let place = self.place().await;
            if let Some((socket, peer)) = self.waiting.take() {
                return (socket, peer, place);
            }
        }
    }

    async fn accepted(&mut self) -> (TcpStream, SocketAddr) {
        let Connections { meter, clock, .. } = &self.connections;
        let report = |error: &io::Error| {
            meter.count(Counter::AcceptWaits(AcceptWait::Resources));
            if let Some(left_out) = self.lines.due(AcceptWait::Resources, clock.instant()) {
                let error = error as &dyn Error;
                tracing::warn!(error, left_out, "can't accept connections; it will be retried");
            }
        };
        let (socket, peer) = next_socket(&self.listener, report).await;
        // Sends small frames at once.
        let _ = socket.set_nodelay(true);
        (socket, peer)
    }

    /// Waits for a free place. While there is none, idle connections are closed.
    async fn place(&mut self) -> OwnedSemaphorePermit {
        let Connections { places, clock, meter, crowded, .. } = &self.connections;
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return place;
        }
        meter.count(Counter::AcceptWaits(AcceptWait::Limit));
        loop {
            if self.lines.due(AcceptWait::Limit, clock.instant()).is_some() {
                tracing::warn!("server.max_connections is reached: new connections wait");
            }
            crowded.notify_waiters();
            // The semaphore is never closed.
            if let Ok(Ok(place)) = tokio::time::timeout(MAKE_ROOM_EVERY, Arc::clone(places).acquire_owned()).await {
                return place;
            }
        }
    }
}

/// A listening socket.
pub trait Sockets: Send + 'static {
    /// A connection.
    type Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// The address of its peer.
    type Peer: Send;

    /// The next connection.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Socket, Self::Peer)>> + Send;
}

impl Sockets for TcpListener {
    type Socket = TcpStream;
    type Peer = SocketAddr;

    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept().await
    }
}

impl Sockets for UnixListener {
    type Socket = UnixStream;
    type Peer = ();

    async fn next(&self) -> io::Result<(UnixStream, ())> {
        self.accept().await.map(|(socket, _)| (socket, ()))
    }
}

/// The next connection. While the system has no resources for another one, reports this and pauses.
pub(super) async fn next_socket<L: Sockets>(listener: &L, mut report: impl FnMut(&io::Error)) -> (L::Socket, L::Peer) {
    loop {
        match listener.next().await {
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
    use futures_util::FutureExt;
    use tokio::sync::mpsc;

    use super::*;
    use crate::ambient::SystemClock;
    use crate::listener::bind;
    use crate::ports::NoMeter;
    use crate::ports::meter::Histogram;

    #[test]
    fn only_what_is_exhausted_makes_accepting_wait() {
        let errors = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        assert!(errors.iter().all(|&error| is_exhausted(&error.into())));
        let errors = [Errno::CONNABORTED, Errno::CONNRESET, Errno::PERM, Errno::PROTO, Errno::INTR, Errno::NETDOWN];
        assert!(!errors.iter().any(|&error| is_exhausted(&error.into())));
        assert!(!is_exhausted(&io::ErrorKind::Other.into()));
    }

    /// A door to one place.
    async fn door(meter: Arc<dyn Meter>) -> (Door, SocketAddr) {
        let listener = bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = Duration::from_mins(1);
        let limits = Limits { connections: 1, other_descriptors: 0, handshake: long, idle: long, stall: long };
        let connections = Connections::new(limits, None, Arc::new(SystemClock), meter, CancellationToken::new());
        (Door::new(listener, connections), address)
    }

    #[tokio::test]
    async fn small_frames_are_sent_at_once() {
        let (mut door, address) = door(Arc::new(NoMeter)).await;
        let _client = TcpStream::connect(address).await.unwrap();
        assert!(door.next().await.0.nodelay().unwrap());
    }

    /// Says when a connection begins to wait.
    struct Waits(mpsc::UnboundedSender<AcceptWait>);

    impl Meter for Waits {
        fn add(&self, counter: Counter, _: usize) {
            if let Counter::AcceptWaits(reason) = counter {
                let _ = self.0.send(reason);
            }
        }
        fn change(&self, _: Gauge, _: i64) {}
        fn set(&self, _: Gauge, _: i64) {}
        fn observe(&self, _: Histogram, _: Duration) {}
    }

    #[tokio::test]
    async fn connections_make_room_only_while_another_one_waits() {
        let (sender, mut waits) = mpsc::unbounded_channel();
        let (mut door, address) = door(Arc::new(Waits(sender))).await;
        let _first = TcpStream::connect(address).await.unwrap();
        let (_, _, place) = door.next().await;
        assert!(door.next().now_or_never().is_none());
        assert!(waits.try_recv().is_err(), "the place is taken, and no connection waits for it");
        let second = TcpStream::connect(address).await.unwrap();
        let crowded = Arc::clone(&door.connections.crowded);
        let mut asked = std::pin::pin!(crowded.notified());
        asked.as_mut().enable();
        tokio::select! {
            _ = door.next() => panic!("there is no place"),
            () = asked => {}
        }
        assert_eq!(waits.try_recv(), Ok(AcceptWait::Limit));
        drop(place);
        assert_eq!(door.next().await.1, second.local_addr().unwrap(), "it is not lost");
    }
}
