//! The edge for the vendors' own SDKs: HTTP requests, signed as each vendor signs them.

mod parameters;
mod percent;
mod request;
mod signature;

pub use parameters::{ParameterProblem, Parameters};
pub use request::ReceivedRequest;
pub use signature::{ClaimedSignature, SignatureProblem};
