//! Clients without a token that take all they can get, and what is left for the others.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use credentiald::listener::raise_descriptor_limit;

use super::installation::Installation;
use super::metrics::{get, scraped_at, value};
use super::serving::{Serving, eventually};
use crate::support::Client;
use crate::support::client::frame;
use crate::support::raw_http2::{DATA, GOAWAY, HEADERS, RST_STREAM, RawConnection, cancel, data, headers};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// Streams without a caller that a connection may have.
const ALLOWED: usize = 16;

/// The memory that a process has in use.
fn resident_kib(serving: &Serving) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Asks for the largest file.
fn question() -> Vec<u8> {
    let symbol = b"credential.admin.v1.AdminService";
    frame(&[&[0x22, u8::try_from(symbol.len()).unwrap()][..], symbol].concat()).to_vec()
}

/// The numbers of a client's streams.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| 2 * index + 1)
}

#[tokio::test]
async fn reflection_answers_that_are_not_taken_cost_next_to_nothing_and_are_reset() {
    const QUESTIONS: usize = 117;
    let installation = Installation::new();
    let serving = installation.serve(&["--server-stall-seconds", "3", "--watch-patience-seconds", "1"]).await;
    // What a process needs for its first calls is not what is measured.
    assert!(Client::new(serving.address).send(REFLECTION[0], question()).await.body.len() > 10_000);
    let before = resident_kib(&serving);
    // Room for nothing, for one byte of each answer, and for one answer at a time.
    for (window, path) in [(0, REFLECTION[0]), (1, REFLECTION[1]), (65_535, REFLECTION[0])] {
        let mut connection = RawConnection::open(serving.address, window).await;
        for stream in streams(250) {
            let call = [headers(stream, path), data(stream, &question().repeat(QUESTIONS), false)].concat();
            connection.send(&call).await.unwrap();
        }
        connection.wait_for_streams("an answer's headers", 250, HEADERS).await;
        let grown = resident_kib(&serving).saturating_sub(before);
        assert!(grown < 12 * 1024, "{grown} KiB with a window of {window}");
        connection.wait_for_streams("a reset", ALLOWED, RST_STREAM).await;
    }
    serving.stop().await;
}

#[tokio::test]
async fn health_watches_without_a_caller_are_limited_for_each_connection() {
    let installation = Installation::new();
    let serving = installation.serve(&[]).await;
    let mut connection = RawConnection::open(serving.address, 65_535).await;
    for stream in streams(250) {
        connection.send(&[headers(stream, WATCH), data(stream, &frame(b""), true)].concat()).await.unwrap();
    }
    let (mut watching, mut refused) = (0, 0);
    while watching + refused < 250 {
        let frame = connection.wait_for("an answer", |frame| frame.kind == DATA || frame.ends_stream()).await;
        if frame.ends_stream() { refused += 1 } else { watching += 1 }
    }
    assert_eq!((watching, refused), (ALLOWED, 250 - ALLOWED));
    // Another connection has its own, and a check is no stream.
    let mut other = RawConnection::open(serving.address, 65_535).await;
    for (connection, path, stream) in [(&mut connection, CHECK, 501), (&mut other, WATCH, 1)] {
        connection.send(&[headers(stream, path), data(stream, &frame(b""), true)].concat()).await.unwrap();
        let answer = connection.wait_for("an answer", |frame| frame.kind == DATA && !frame.payload.is_empty()).await;
        assert_eq!((answer.stream, &answer.payload[..]), (stream, &[0, 0, 0, 0, 2, 8, 1][..]));
    }
    serving.stop().await;
}

/// Calls that are given up at once, on the streams from that number on.
fn given_up(first: u32, count: u32) -> Vec<u8> {
    (0..count).flat_map(|index| [headers(first + 2 * index, CHECK), cancel(first + 2 * index)].concat()).collect()
}

#[tokio::test]
async fn one_client_that_cancels_a_thousand_calls_leaves_the_connection_to_others() {
    let installation = Installation::new();
    let serving = installation.serve(&[]).await;
    let mut connection = RawConnection::open(serving.address, 65_535).await;
    connection.send(&headers(1, CHECK)).await.unwrap();
    connection.send(&given_up(3, 1000)).await.unwrap();
    // The other client's call goes on, and it can make another.
    connection.send(&data(1, &frame(b""), true)).await.unwrap();
    connection.send(&[headers(3001, CHECK), data(3001, &frame(b""), true)].concat()).await.unwrap();
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let frame = connection.wait_for("an answer", |frame| matches!(frame.kind, DATA | GOAWAY)).await;
        assert_ne!(frame.kind, GOAWAY, "{frame:?}");
        if !frame.payload.is_empty() {
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3001]);
    serving.stop().await;
}

#[tokio::test]
async fn a_flood_of_cancelled_calls_ends_with_goaway() {
    let installation = Installation::new();
    let serving = installation.serve(&[]).await;
    // In one piece, and in pieces that each are fewer than what may be given up at once.
    for piece in [20_000, 200] {
        let mut connection = RawConnection::open(serving.address, 65_535).await;
        let mut is_closed = false;
        for index in 0..20_000 / piece {
            is_closed |= connection.send(&given_up(1 + 2 * index * piece, piece)).await.is_err();
        }
        // A connection that is closed while it has something to read may lose the farewell.
        while !is_closed {
            is_closed = connection.next().await.is_none_or(|frame| frame.kind == GOAWAY);
        }
    }
    assert!(serving.is_healthy());
    serving.stop().await;
}

#[tokio::test]
async fn idle_connections_get_goaway() {
    let installation = Installation::new();
    let serving = installation.serve(&["--server-idle-seconds", "1"]).await;
    let mut connection = RawConnection::open(serving.address, 65_535).await;
    connection.wait_for("the farewell", |frame| frame.kind == GOAWAY).await;
    while connection.next().await.is_some() {}
    serving.stop().await;
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_no_caller_out() {
    const COUNT: u32 = 10_000;
    raise_descriptor_limit();
    let installation = Installation::new();
    let serving = installation.serve(&["--server-max-connections", "12000", "--metrics-listen", "127.0.0.1:0"]).await;
    assert!(serving.is_healthy());
    let before = resident_kib(&serving);
    let begin = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let idle = (0..COUNT).map(|_| {
        let mut socket = TcpStream::connect(serving.address).unwrap();
        socket.write_all(&begin).unwrap();
        socket
    });
    let idle: Vec<_> = idle.collect();
    eventually("all are served", || {
        let metrics = get(scraped_at(&serving), "/metrics");
        (value(&metrics, "credentiald_connections") >= f64::from(COUNT)).then_some(())
    })
    .await;
    let grown = resident_kib(&serving).saturating_sub(before);
    assert!(grown < u64::from(COUNT) * 48, "{grown} KiB");
    assert!(serving.is_healthy());
    drop(idle);
    serving.stop().await;
}
