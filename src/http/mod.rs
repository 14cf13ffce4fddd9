//! The edge for the vendors' own SDKs: HTTP requests, signed as each vendor signs them.
//!
//! A request names an operation (`operations`), is signed (`signature`), has fields (`message`), and gets an answer in the
//! shape of its vendor (`answer`). What an operation does, and what a caller may do, is decided by the use cases.

mod answer;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod message;
mod operations;
mod parameters;
mod percent;
mod request;
mod signature;
mod vendor;
mod vendor_edge;

pub use parameters::{ParameterProblem, Parameters};
pub use request::ReceivedRequest;
pub use signature::ClaimedSignature;
pub use vendor_edge::{VendorEdge, VendorSettings};
