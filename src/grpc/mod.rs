//! The gRPC edge.

pub(crate) mod generated;
