//! The network: which addresses are listened on, and what each connection may take before and between its calls.
//!
//! A connection is accepted (`accept`), greeted and served (`connection`), and each of its streams watched for a peer that
//! takes nothing or resets what it opens (`streams`). What is answered is the caller's business: a service for each
//! connection.

mod accept;
mod activity;
mod bind;
mod connection;
mod descriptors;
mod metered;
mod resets;
mod scrapes;
mod streams;

use std::time::Duration;

pub use accept::accept;
pub use bind::{BindError, bind};
pub use descriptors::raise_descriptor_limit;
pub use scrapes::serve_scrapes;

/// How many calls a connection may have at a time.
const MAX_CONCURRENT_STREAMS: u32 = 256;

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections at a time.
    pub connections: usize,
    /// How many file descriptors connections leave to others: those of the store.
    pub other_descriptors: usize,
    /// The longest that a peer may take to begin HTTP/2.
    pub handshake: Duration,
    /// How long a connection without a call is kept.
    pub idle: Duration,
    /// How long an answer may wait for a peer that takes nothing of it.
    pub stall: Duration,
}
