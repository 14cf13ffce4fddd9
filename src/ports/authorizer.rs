//! Permission decisions.

use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::domain::resource::Resource;

/// A request for permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccessRequest<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The requested action.
    pub action: Action,
    /// The resource that the action applies to.
    pub resource: &'a Resource,
}

/// The decision, with the ids of the policies that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request is permitted.
    Permitted {
        /// The ids of the policies that permitted.
        policies: Vec<String>,
    },
    /// The request is denied.
    Denied {
        /// The ids of the policies that forbade; empty if none permitted.
        policies: Vec<String>,
    },
}

/// Decides which callers may use which actions on which resources.
///
/// An implementation MUST deny what no policy permits, MUST deny if the evaluation of any policy fails, and MUST deny an
/// action if it denies one that the action includes.
pub trait Authorizer: Send + Sync {
    /// Decides one request. Takes microseconds; never waits.
    fn decide(&self, request: AccessRequest<'_>) -> Decision;
}
