//! `credentiald`: a gRPC service through which people and programs change passwords.
//!
//! The modules in layer order; no module names a module of an outer layer (`docs/architecture.md`).

pub mod domain;
pub mod policy;
pub mod ports;
pub mod service;

#[cfg(feature = "server")]
pub mod ambient;
#[cfg(feature = "server")]
pub mod authz;
#[cfg(feature = "server")]
pub mod blocklist;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod hashing;
#[cfg(feature = "server")]
pub mod hook;
#[cfg(feature = "server")]
pub mod jwt;
#[cfg(feature = "server")]
pub mod listener;
#[cfg(feature = "server")]
pub mod outgoing;
#[cfg(feature = "server")]
pub mod redis;
#[cfg(feature = "server")]
pub mod signing;
#[cfg(feature = "sqlite")]
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;

#[cfg(feature = "server")]
pub mod edge;
#[cfg(feature = "server")]
pub mod grpc;
#[cfg(feature = "server")]
pub mod http;

#[cfg(feature = "sqlite")]
pub mod server;

#[cfg(feature = "sqlite")]
pub mod cli;
