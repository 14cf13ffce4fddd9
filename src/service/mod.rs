//! The use cases.

pub mod error;

pub use error::ServiceError;
