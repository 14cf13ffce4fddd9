//! The harness: a server of one's own on a real socket, in the process of the tests or as the built binary, and a client
//! that speaks JSON and sees all of a reply.
#![allow(dead_code, unused_imports, reason = "shared by programs of tests, of which each uses a part")]

pub mod barrier;
pub mod certificates;
pub mod client;
pub mod clock;
pub mod collector;
pub mod hook;
pub mod installation;
pub mod jwt;
pub mod ports;
pub mod postgres;
pub mod proxy;
pub mod raw_http2;
pub mod redis;
pub mod serving;
pub mod signer;
pub mod tenant;
pub mod world;

pub use client::{Client, Reply, Watching};
pub use world::{Setup, World, database};
