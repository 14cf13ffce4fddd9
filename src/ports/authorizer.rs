//! May they?

use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::domain::resource::Resource;

/// Who asks for what on what.
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What for.
    pub action: Action,
    /// What on.
    pub resource: &'a Resource,
}

/// The answer, with the ids of the policies that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Permitted {
        /// The ids of the policies that permitted.
        policies: Vec<String>,
    },
    /// They may not.
    Denied {
        /// The ids of the policies that forbade; empty where none permitted.
        policies: Vec<String>,
    },
}

/// Decides who may do what.
///
/// An implementation MUST deny what no policy permits, and MUST deny where the evaluation of any policy fails.
pub trait Authorizer: Send + Sync {
    /// Decides one request. Takes microseconds; never waits.
    fn decide(&self, request: AccessRequest<'_>) -> Decision;
}
