//! Everything that a user would miss, tested from outside.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::unreachable,
    missing_docs,
    unreachable_pub,
    reason = "a test that can't go on should stop, and a harness reads clocks"
)]

mod api_surface;
mod arenas;
mod cli;
mod documents;
mod faults;
mod known_hashes;
mod layers;
mod policy_laws;
mod process;
mod rpc;
mod statistics;
mod store;
mod support;
mod visibility;
