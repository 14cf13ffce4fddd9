//! Over a connection in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::ambient::SystemClock;
use crate::listener::Limits;
use crate::ports::{Clock, NoMeter};

const HEAD: &str = "POST /a HTTP/1.1\r\nhost: h\r\n";
/// Far longer than a test takes.
const LONG: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(50);

/// Answers with the path and the body, and a problem with its name.
#[derive(Clone)]
struct Echo {
    stop: CancellationToken,
    has_answered: Arc<AtomicBool>,
}

impl Http1Edge for Echo {
    async fn answer(
        &self,
        head: &request::Parts,
        body: &[u8],
        _: SocketAddr,
        _: Option<&PeerCertificate>,
        _: Instant,
    ) -> Response<Bytes> {
        self.has_answered.store(true, Ordering::Relaxed);
        match head.uri.path() {
            "/panic" => panic!("as the test wants it"),
            "/slow" => {
                self.stop.cancelled().await;
                others_have_run().await;
            }
            _ => {}
        }
        Response::new([head.uri.path().as_bytes(), b":", body].concat().into())
    }

    fn refuse(&self, _: Option<&request::Parts>, _: SocketAddr, problem: TransportProblem) -> Response<Bytes> {
        let mut response = Response::new(format!("{problem:?}").into());
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response
    }
}

/// A client, and the connection that serves it.
struct Client {
    socket: DuplexStream,
    served: JoinHandle<()>,
    stop: CancellationToken,
    stopping: CancellationToken,
    has_answered: Arc<AtomicBool>,
}

/// How a connection is limited, other than by what is far away.
#[derive(Clone, Copy)]
struct Limited {
    limits: Limits,
    request_limits: RequestLimits,
}

impl Default for Limited {
    fn default() -> Self {
        Self {
            limits: Limits { connections: 1, other_descriptors: 0, handshake: LONG, idle: LONG, stall: LONG },
            request_limits: RequestLimits { body_bytes: 1000, body_within: LONG },
        }
    }
}

impl Client {
    fn connect() -> Self {
        Self::limited(|_| {})
    }

    fn limited(change: impl FnOnce(&mut Limited)) -> Self {
        let mut limited = Limited::default();
        change(&mut limited);
        let Limited { limits, request_limits } = limited;
        // Smaller than an answer, so that a client that reads nothing is noticed.
        let (socket, transport) = duplex(64);
        let (stop, clock) = (CancellationToken::new(), Arc::new(SystemClock));
        let begin_by = clock.instant() + limits.handshake;
        let opened = Opened { transport: Box::new(transport), certificate: None, begin_by };
        let connections = Connections::new(limits, None, clock, Arc::new(NoMeter), stop.clone());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let (stopping, has_answered) = (CancellationToken::new(), Arc::default());
        let edge = Echo { stop: stop.clone(), has_answered: Arc::clone(&has_answered) };
        let served = tokio::spawn(serve_opened(opened, peer, edge, request_limits, stopping.clone(), connections));
        Self { socket, served, stop, stopping, has_answered }
    }

    async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer: its head, and its body.
    async fn answer(&mut self) -> (String, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// The problem in the last answer. Nothing follows it.
    async fn problem(mut self) -> String {
        let (head, body) = self.answer().await;
        assert!(head.starts_with("HTTP/1.1 418") && head.contains("connection: close\r\n"), "{head}");
        self.end().await;
        body
    }

    /// Waits until the connection is closed. Returns what came before.
    async fn end(mut self) -> String {
        let mut rest = String::new();
        self.socket.read_to_string(&mut rest).await.unwrap();
        drop(self.socket);
        self.served.await.unwrap();
        rest
    }
}

/// Waits until the connection has done all that it can: it is served by the same thread.
async fn others_have_run() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

#[tokio::test]
async fn what_hyper_can_not_read_gets_an_answer_of_the_edge() {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    for (text, problem) in [
        ("nonsense\r\n\r\n", "Malformed"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "Malformed"),
        ("GET / HTTP/3.0\r\n\r\n", "Malformed"),
        ("GET /\u{7f} HTTP/1.1\r\n\r\n", "Malformed"),
        ("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "Malformed"),
        ("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "Malformed"),
        ("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", "Malformed"),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n", "Malformed"),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n", "BodyTooLarge"),
        ("POST / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n", "BodyTooLarge"),
        ("POST / HTTP/1.1\r\ncontent-length: 1001\r\nexpect: 100-continue\r\n\r\n", "BodyTooLarge"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "Version"),
        (&long, "HeadTooLarge"),
        (&many, "HeadTooLarge"),
    ] {
        let is_chunk_too_large = text.ends_with("3e9\r\n");
        let mut client = Client::connect();
        let (mut reader, mut writer) = tokio::io::split(client.socket);
        let sent = text.to_owned() + &"a".repeat(if is_chunk_too_large { 1001 } else { 0 });
        let writing = tokio::spawn(async move {
            let _ = writer.write_all(sent.as_bytes()).await;
            writer
        });
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        client.socket = reader.unsplit(writing.await.unwrap());
        assert!(answer.starts_with("HTTP/1.1 418") && answer.contains("connection: close\r\n"), "{problem}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{problem}")), "{problem}: {answer}");
        client.end().await;
    }
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let mut client = Client::connect();
    client.send("GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\ncontent-length: 1\r\n\r\nxGET /3 ").await;
    assert_eq!(client.answer().await.1, "/1:");
    assert_eq!(client.answer().await.1, "/2:x");
    client.send("HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.answer().await.1, "/3:");
    // What follows a body that is shorter than what was sent is another request.
    client.send("POST /4 HTTP/1.1\r\ncontent-length: 1\r\n\r\nxyz\r\n\r\n").await;
    assert_eq!(client.answer().await.1, "/4:x");
    assert_eq!(client.problem().await, "Malformed");
}

#[tokio::test]
async fn each_form_of_a_request_is_answered() {
    for (text, answer) in [
        ("POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n", "/b:xyz"),
        ("POST /c HTTP/1.1\r\n\r\n", "/c:"),
        ("GET http://example.com:80/d HTTP/1.1\r\nhost: example.com\r\n\r\n", "/d:"),
        ("\r\n\r\nGET /e HTTP/1.1\r\n\r\n", "/e:"),
    ] {
        let mut client = Client::connect();
        client.send(text).await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200") && !head.contains("connection"), "{head}");
        assert_eq!(body, answer);
    }
    // An older client gets an answer of its version, and the end of the connection.
    let mut client = Client::connect();
    client.send("GET /f HTTP/1.0\r\n\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    assert_eq!(body, "/f:");
    client.end().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_gets_no_answer_unless_its_request_is_cut_short() {
    let mut client = Client::connect();
    client.send("GET /slow HTTP/1.1\r\n\r\n").await;
    others_have_run().await;
    client.socket.shutdown().await.unwrap();
    assert_eq!(client.end().await, "", "its request ended with it");
    for part in ["POST /a HTT", &format!("{HEAD}content-length: 2\r\n\r\nx")] {
        let mut client = Client::connect();
        client.send(part).await;
        client.socket.shutdown().await.unwrap();
        assert_eq!(client.problem().await, "Incomplete", "{part}");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_before_its_request_is_read_changes_nothing() {
    let mut client = Client::connect();
    // Fits, so that the connection does not run in between.
    client.send("GET /a HTTP/1.1\r\n\r\n").await;
    client.socket.shutdown().await.unwrap();
    let has_answered = Arc::clone(&client.has_answered);
    assert_eq!(client.end().await, "");
    assert!(!has_answered.load(Ordering::Relaxed));
}

#[tokio::test]
async fn bytes_that_come_one_at_a_time_come_too_slowly() {
    let head = |limited: &mut Limited| limited.limits.handshake = SHORT;
    let body = |limited: &mut Limited| limited.request_limits.body_within = SHORT;
    for (mut client, beginning) in
        [(Client::limited(head), "GET /"), (Client::limited(body), "POST /a HTTP/1.1\r\ncontent-length: 999\r\n\r\n")]
    {
        client.send(beginning).await;
        let (mut reader, mut writer) = tokio::io::split(&mut client.socket);
        let mut answer = String::new();
        let slow = async {
            while writer.write_u8(b'a').await.is_ok() {
                sleep(SHORT / 10).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            read = reader.read_to_string(&mut answer) => drop(read.unwrap()),
            () = slow => {}
        }
        assert!(answer.starts_with("HTTP/1.1 418") && answer.ends_with("\r\n\r\nTooSlow"), "{answer}");
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_without_an_answer() {
    let silent = Client::limited(|limited| limited.limits.handshake = SHORT);
    assert_eq!(silent.end().await, "");
    let mut idle = Client::limited(|limited| limited.limits.idle = SHORT);
    idle.send(&format!("{HEAD}\r\n")).await;
    assert_eq!(idle.answer().await.1, "/a:");
    assert_eq!(idle.end().await, "");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left_after_a_while() {
    let mut client = Client::limited(|limited| limited.limits.stall = SHORT);
    client.send(&format!("{HEAD}\r\n")).await;
    client.served.await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let mut client = Client::connect();
    client.send("GET /panic HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.problem().await, "Internal");
}

#[tokio::test]
async fn a_stop_answers_what_has_begun_and_says_that_it_is_the_last_answer() {
    let stopped_after = async |before: &str, after: &str| {
        let mut client = Client::connect();
        client.send(&format!("{HEAD}\r\n")).await;
        assert_eq!(client.answer().await.1, "/a:");
        client.send(before).await;
        others_have_run().await;
        client.stopping.cancel();
        client.stop.cancel();
        others_have_run().await;
        client.send(after).await;
        let (head, body) = client.answer().await;
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert_eq!(client.end().await, "");
        body
    };
    assert_eq!(stopped_after("GET /slow HTTP/1.1\r\n\r\n", "").await, "/slow:");
    assert_eq!(stopped_after("GET /b HTT", "P/1.1\r\n\r\n").await, "/b:");
    // An answer says it as soon as it is known that the connection will be closed.
    let mut client = Client::connect();
    client.stopping.cancel();
    client.send(&format!("{HEAD}\r\n")).await;
    assert!(client.answer().await.0.contains("connection: close\r\n"));
    assert_eq!(client.end().await, "");
    // A connection without a request is closed.
    let client = Client::connect();
    client.stop.cancel();
    assert_eq!(client.end().await, "");
}
