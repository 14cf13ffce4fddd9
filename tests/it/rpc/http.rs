//! HTTP/1.1 byte by byte: whatever comes, the answer has the vendors' shape.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::support::certificates::{Authority, ClientTls};
use crate::support::installation::write_secretly;
use crate::support::serving::PATIENCE;
use crate::support::{Setup, World};

/// A request without a signature, which is read as a whole before it is refused.
const UNSIGNED: &str = "GET /?Action=ChangePassword&Version=2015-05-01 HTTP/1.1\r\nHost: a\r\n\r\n";

/// What came as an answer.
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }

    /// Checks that each SDK can read it: both vendors' names, with the same content.
    fn check(&self, what: &str) {
        let body = &self.body;
        assert!(self.status >= 400, "{what}: {}", self.head);
        assert_eq!(self.header("content-type"), Some("application/json;charset=utf-8"), "{what}");
        let is_text = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
        let is_of_huawei = is_text("error_code") && is_text("error_msg") && is_text("request_id");
        let is_of_alibaba = is_text("Code") && is_text("Message") && is_text("RequestId") && is_text("HostId");
        assert!(is_of_alibaba || is_of_huawei, "{what}: {body}");
        if is_of_huawei {
            assert_eq!(self.header("x-request-id"), body["request_id"].as_str(), "{what}");
        }
    }
}

/// A connection to the edge.
struct Connection<T>(T);

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    async fn send(&mut self, bytes: &[u8]) {
        // A server that has seen enough may close before it has read all.
        let _ = self.0.write_all(bytes).await;
    }

    async fn byte(&mut self) -> u8 {
        timeout(PATIENCE, self.0.read_u8()).await.expect("the server is silent").expect("an answer")
    }

    /// The next answer.
    async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().await);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Value::Null };
        let length: usize = answer.header("content-length").expect("a length").parse().unwrap();
        let mut body = Vec::new();
        while body.len() < length {
            body.push(self.byte().await);
        }
        answer.body = serde_json::from_slice(&body).unwrap();
        answer
    }

    /// Waits until the server closes the connection, without another answer.
    async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the connection stays open");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

async fn connect(address: SocketAddr) -> Connection<TcpStream> {
    Connection(TcpStream::connect(address).await.unwrap())
}

async fn world() -> (World, SocketAddr) {
    let world = Setup::default().with("http.listen", "127.0.0.1:0").start().await;
    let address = world.http.expect("it listens");
    (world, address)
}

#[tokio::test]
async fn whatever_can_not_be_read_is_answered_in_the_shape_of_the_vendors() {
    let (_world, address) = world().await;
    let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}");
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    let long = "a".repeat(1 << 20);
    for (what, request, status) in [
        ("nonsense", "\x16\x03\x01\x02\0\x01\0".to_owned() + "\r\n\r\n", 400),
        ("a header without a colon", post("nothing", ""), 400),
        ("another version", "GET / HTTP/3.0\r\n\r\n".to_owned(), 400),
        ("HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(), 505),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2", "ab"), 400),
        ("a length that is no number", post("Content-Length: 1a", "ab"), 400),
        ("an unknown encoding", post("Transfer-Encoding: gzip", "ab"), 400),
        ("a chunk without a size", chunked("nonsense\r\n"), 400),
        ("a chunk without an end", chunked("1\r\nabc\r\n"), 400),
        ("a chunk of a size that overflows", chunked("fffffffffffffffff\r\n"), 400),
        ("a large chunk", chunked(&format!("fffff\r\n{}", &long[..1 << 17])), 413),
        ("a large body", post("Content-Length: 1048576", &long), 413),
        ("a large body that is asked for first", post("Content-Length: 1048576\r\nExpect: 100-continue", ""), 413),
        ("a large query", format!("GET /?a={long} HTTP/1.1\r\n\r\n"), 431),
        ("a large header", post(&format!("a: {long}"), ""), 431),
        ("many headers", post(&["a: b"; 200].join("\r\n"), ""), 431),
    ] {
        let mut connection = connect(address).await;
        connection.send(request.as_bytes()).await;
        let answer = connection.answer().await;
        answer.check(what);
        assert_eq!(answer.status, status, "{what}: {}", answer.head);
        assert!(answer.closes(), "{what}: {}", answer.head);
        connection.is_closed().await;
    }
}

#[tokio::test]
async fn what_a_client_does_not_finish_is_answered_when_it_closes_its_side() {
    let (_world, address) = world().await;
    for request in ["GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nshorter"] {
        let mut connection = connect(address).await;
        connection.send(request.as_bytes()).await;
        connection.0.shutdown().await.unwrap();
        let answer = connection.answer().await;
        answer.check(request);
        assert!(answer.status == 400 && answer.closes(), "{}", answer.head);
        connection.is_closed().await;
    }
}

#[tokio::test]
async fn requests_that_come_together_are_answered_one_after_the_other() {
    let (_world, address) = world().await;
    let mut connection = connect(address).await;
    let missing = "POST /v5/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    connection.send([UNSIGNED, missing, UNSIGNED].concat().as_bytes()).await;
    let answers = [connection.answer().await, connection.answer().await, connection.answer().await];
    for answer in &answers {
        answer.check("together");
    }
    assert!(answers.iter().all(|answer| answer.header("connection").is_none()));
    let is_of_huawei = |answer: &Answer| answer.body["error_code"].is_string() && answer.body["Code"].is_null();
    assert_eq!(answers.map(|answer| is_of_huawei(&answer)), [false, true, false]);
    // What follows a body that is longer than it says is no request.
    connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab and more\r\n\r\n").await;
    connection.answer().await.check("the request");
    let answer = connection.answer().await;
    answer.check("what follows it");
    assert!(answer.status == 400 && answer.closes(), "{}", answer.head);
    connection.is_closed().await;
}

#[tokio::test]
async fn each_form_of_a_request_is_read() {
    let (_world, address) = world().await;
    for (form, request) in [
        ("an absolute target", UNSIGNED.replace("GET /", "GET http://127.0.0.1:1/")),
        ("a body in chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_owned()),
        ("no body and no length", "POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("32 KiB of query", UNSIGNED.replace("Action=", &format!("a={}&Action=", "a".repeat(32 * 1024)))),
        ("a Host that is no host", UNSIGNED.replace("Host: a", "Host: http://a:1/b")),
        ("a head alone", UNSIGNED.replace("GET", "OPTIONS")),
    ] {
        let mut connection = connect(address).await;
        for _ in 0..2 {
            connection.send(request.as_bytes()).await;
            let answer = connection.answer().await;
            answer.check(form);
            assert!(answer.status < 500 && !answer.closes(), "{form}: {}", answer.head);
        }
    }
    let mut connection = connect(address).await;
    connection.send(UNSIGNED.replace("HTTP/1.1", "HTTP/1.0").as_bytes()).await;
    let answer = connection.answer().await;
    answer.check("HTTP/1.0");
    assert!(answer.head.starts_with("HTTP/1.0 400"), "{}", answer.head);
    connection.is_closed().await;
}

#[tokio::test]
async fn a_client_that_sends_a_byte_at_a_time_gets_an_answer() {
    let settings =
        [("http.listen", "127.0.0.1:0"), ("server.handshake_seconds", "1"), ("http.deadline_milliseconds", "100")];
    let setup = settings.iter().fold(Setup::default(), |setup, (key, value)| setup.with(key, value));
    let world = setup.start().await;
    for beginning in ["GET /", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"] {
        let mut connection = connect(world.http.unwrap()).await;
        connection.send(beginning.as_bytes()).await;
        let (mut reader, mut writer) = connection.0.split();
        let slow = async {
            while writer.write_u8(b'a').await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut first = [0; 1];
        tokio::select! {
            read = timeout(PATIENCE, reader.read_exact(&mut first)) => drop(read.unwrap().unwrap()),
            () = slow => {}
        }
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest).await;
        let text = String::from_utf8(rest).unwrap();
        assert!(text.starts_with("TTP/1.1 408") && text.contains("\"RequestId\""), "{text}");
    }
}

#[tokio::test]
async fn over_tls_a_client_may_name_http_1_1_or_no_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ca");
    let leaf = authority.server(&["127.0.0.1"]);
    let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, &leaf.certificate).unwrap();
    write_secretly(&key, &leaf.key);
    let trusting = ClientTls::trusting(&authority.pem());
    let world = Setup::default()
        .with("http.listen", "127.0.0.1:0")
        .with("tls.certificate_file", certificate.to_str().unwrap())
        .with("tls.key_file", key.to_str().unwrap())
        .over(trusting.clone())
        .start()
        .await;
    let handshake = async |protocols: &[&str]| {
        let mut config = trusting.config.as_ref().clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(world.http.unwrap()).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(trusting.name.clone(), socket).await
    };
    for protocols in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
        let mut connection = Connection(handshake(protocols).await.unwrap());
        connection.send(UNSIGNED.as_bytes()).await;
        connection.answer().await.check(&protocols.concat());
    }
    assert!(handshake(&["h2"]).await.is_err());
    // Without TLS there is no answer, because nothing is known of the client.
    let mut plain = connect(world.http.unwrap()).await;
    plain.send(UNSIGNED.as_bytes()).await;
    let mut alert = Vec::new();
    let _ = timeout(PATIENCE, plain.0.read_to_end(&mut alert)).await.unwrap();
    assert!(!alert.starts_with(b"HTTP"));
}

#[tokio::test]
async fn without_a_setting_nothing_listens() {
    assert_eq!(World::start().await.http, None);
}
