//! The harness: a server of one's own on a real socket, and a client that speaks JSON and sees all of a reply.

pub mod barrier;
pub mod client;
pub mod clock;
pub mod postgres;
pub mod proxy;
pub mod world;

pub use client::{Client, Reply, Watching};
pub use world::{Setup, World, database};
