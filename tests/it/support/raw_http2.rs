//! HTTP/2 frame by frame (RFC 9113), as no well-behaved client would send it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::serving::PATIENCE;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;

const INITIAL_WINDOW_SIZE: u16 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const CANCEL: u32 = 8;

/// A connection that answers nothing by itself: neither pings nor settings.
pub struct RawConnection(TcpStream);

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Whether it is the last one of a stream.
    pub fn ends_stream(&self) -> bool {
        self.kind == RST_STREAM || (matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0)
    }
}

impl RawConnection {
    /// Connects and begins HTTP/2, with room for so many bytes of each answer.
    pub async fn open(address: SocketAddr, window: u32) -> Self {
        let mut connection = Self(TcpStream::connect(address).await.unwrap());
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
        connection.send(&[PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat()).await.unwrap();
        // Until its settings are known, the server counts with larger windows.
        connection.wait_for("the acknowledgement", |frame| frame.kind == SETTINGS && frame.flags & ACK != 0).await;
        connection
    }

    pub async fn send(&mut self, frames: &[u8]) -> std::io::Result<()> {
        self.0.write_all(frames).await
    }

    /// The next frame, or nothing where the connection is closed.
    pub async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read()).await.expect("the server is silent")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length.try_into().unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads until that frame comes.
    pub async fn wait_for(&mut self, what: &str, is_it: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("{what} was waited for, the connection was closed"));
            if is_it(&frame) {
                return frame;
            }
        }
    }

    /// Reads until so many different streams had a frame of that kind.
    pub async fn wait_for_streams(&mut self, what: &str, count: usize, kind: u8) {
        let mut streams = std::collections::BTreeSet::new();
        while streams.len() < count {
            streams.insert(self.wait_for(what, |frame| frame.kind == kind).await.stream);
        }
    }
}

/// The headers of a call, on the stream of that odd number.
pub fn headers(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    // Each literal, with a new name, not indexed (RFC 7541, section 6.2.2).
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend(text.as_bytes());
        }
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A part of a message.
pub fn data(stream: u32, bytes: &[u8], is_last: bool) -> Vec<u8> {
    frame(DATA, if is_last { END_STREAM } else { 0 }, stream, bytes)
}

pub fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
