//! A small HTTP/1.1 server with one request on each connection, for what is not a call: metrics, and requests of a proxy.

use std::collections::VecDeque;
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
use tokio::task::AbortHandle;
use tower::Service;

use super::accept::{Sockets, next_socket};
use crate::ports::{Clock, LimitedLines};

/// The line that reports that no connection can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NotAccepted;

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What happens to a connection that finds every place taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits until another one ends.
    Wait,
    /// The oldest one is closed, so clients that send nothing keep no one out. For answers that come at once.
    CloseOldest,
}

/// The limits of such a server.
#[derive(Debug, Clone, Copy)]
pub struct SingleLimits {
    /// Largest number of connections at a time.
    pub connections: u32,
    /// What happens to one more connection.
    pub when_full: WhenFull,
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
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let mut lines = LimitedLines::default();
    let mut stop = pin!(stop);
    loop {
        let failed = |error: &io::Error| {
            if let Some(left_out) = lines.due(NotAccepted, clock.instant()) {
                report(error, left_out);
            }
        };
        let next = async {
            let (socket, _) = next_socket(&listener, failed).await;
            open.retain(|connection| !connection.is_finished());
            if limits.when_full == WhenFull::CloseOldest
                && places.available_permits() == 0
                && let Some(oldest) = open.pop_front()
            {
                oldest.abort();
            }
            (Arc::clone(&places).acquire_owned().await, socket)
        };
        let (place, socket) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let mut http1 = Builder::new();
        http1.timer(TokioTimer::new()).keep_alive(false).max_buf_size(MAX_HEAD_BYTES);
        let connection = http1.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service.clone()));
        let served = tokio::spawn(async move {
            // The connection ends whether or not it was answered in time.
            let _ = tokio::time::timeout(limits.each_within, connection).await;
            drop(place);
        });
        open.push_back(served.abort_handle());
    }
    drop(listener);
    // The semaphore is never closed.
    let _ = places.acquire_many(limits.connections).await;
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use bytes::Bytes;
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;
    use tower::service_fn;

    use super::*;
    use crate::ambient::SystemClock;
    use crate::listener::bind;

    /// Far longer than anything takes.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// A server with two places, whose connections may take for ever.
    async fn served(when_full: WhenFull) -> SocketAddr {
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = SingleLimits { connections: 2, when_full, each_within: 60 * PATIENCE };
        let service = service_fn(async |_| Ok(Response::new(Empty::<Bytes>::new())));
        let never = std::future::pending();
        tokio::spawn(serve_single(listener, limits, Arc::new(SystemClock), never, |_, _| {}, service));
        address
    }

    /// A client that has begun a request.
    async fn slow(address: SocketAddr) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET / HT").await.unwrap();
        socket
    }

    /// What the server still sends.
    async fn rest(socket: &mut TcpStream) -> String {
        let mut rest = String::new();
        // A connection that is closed with something unread is reset.
        let _ = timeout(PATIENCE, socket.read_to_string(&mut rest)).await.expect("it stays open");
        rest
    }

    /// A client that has ended its request.
    async fn quick(address: SocketAddr) -> TcpStream {
        let mut socket = slow(address).await;
        socket.write_all(b"TP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        socket
    }

    #[tokio::test]
    async fn clients_that_send_nothing_keep_no_one_out_where_the_oldest_is_closed() {
        let address = served(WhenFull::CloseOldest).await;
        let (mut first, mut second, _third) = (slow(address).await, slow(address).await, slow(address).await);
        assert!(rest(&mut quick(address).await).await.starts_with("HTTP/1.1 200 "));
        assert_eq!([rest(&mut first).await, rest(&mut second).await], ["", ""]);
    }

    #[tokio::test]
    async fn a_connection_that_has_to_wait_closes_no_other() {
        let address = served(WhenFull::Wait).await;
        let (mut first, second) = (slow(address).await, slow(address).await);
        let mut third = quick(address).await;
        drop(second);
        assert!(rest(&mut third).await.starts_with("HTTP/1.1 200 "));
        first.write_all(b"TP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        assert!(rest(&mut first).await.starts_with("HTTP/1.1 200 "));
    }
}
