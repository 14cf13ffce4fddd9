//! Permissions: Cedar, with a built-in schema, built-in policies, and an operator's own.

mod authorizer;
mod candidate;
mod entities;
mod groups;
mod nesting;
mod policies;
mod problem;
mod remembered;

pub use authorizer::CedarAuthorizer;
pub use candidate::ComparingAuthorizer;
pub use groups::GROUPS_FILE;
pub use policies::{AuthzError, Policies, PolicyFile, PolicyTexts, SCHEMA};
pub use problem::PolicyProblem;
