//! Permissions: Cedar, with a built-in schema and built-in policies.

mod authorizer;
mod entities;
mod policies;

pub use authorizer::CedarAuthorizer;
pub use policies::AuthzError;
