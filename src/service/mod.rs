//! The use cases.

pub mod call;
pub mod error;
pub mod requests;

pub use call::Call;
pub use error::ServiceError;
