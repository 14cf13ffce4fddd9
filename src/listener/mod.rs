//! The network: listening addresses, and the limits of each connection before and between its calls.
//!
//! A connection is accepted (`accept`), encrypted (`tls`) and served by its version of HTTP. With HTTP/2 (`http2`), each of
//! its streams is watched for a peer that reads nothing or resets what it opens (`streams`). With HTTP/1.1 (`http1`), it has
//! one request at a time (`exchange`). The user of this module answers the calls.

mod accept;
mod activity;
mod bind;
mod connection;
mod descriptors;
mod http1;
mod http2;
mod metered;
mod resets;
mod single;
mod streams;
mod tls;

use std::time::Duration;

pub use accept::{Connections, Sockets};
pub use bind::{BindError, bind};
pub use descriptors::{SCRAPE_CONNECTIONS, raise_descriptor_limit};
pub use http1::{Http1Edge, RequestLimits};
pub use single::{SingleLimits, WhenFull, serve_single};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use tls::fuzzing;
pub use tls::{TlsInForce, TlsPart, TlsProblem, TlsSet, TlsTexts};

/// How many calls a connection may have at a time.
const MAX_CONCURRENT_STREAMS: u32 = 256;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections at a time.
    pub connections: usize,
    /// Number of file descriptors reserved for others: those of the store.
    pub other_descriptors: usize,
    /// The longest time that a peer may take to begin HTTP, the handshake of TLS included, and to send the head of a
    /// request of HTTP/1.1 that it has begun.
    pub handshake: Duration,
    /// How long a connection without a call is kept.
    pub idle: Duration,
    /// How long a response may wait for a peer that reads none of it.
    pub stall: Duration,
}
