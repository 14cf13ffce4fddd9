//! A refusal of permission, as administrators read it from the message that the refused caller got.

use std::time::Duration;

use uuid::Uuid;

use super::action::Action;
use super::audit_event::AuditEvent;
use super::time::{Timestamp, Window};

/// A refusal of permission: the request, and what decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// When it was refused.
    pub at: Timestamp,
    /// How long administrators can read it.
    pub readable_for: Duration,
    /// The id of the request.
    pub request_id: Uuid,
    /// The caller, as in the audit log.
    pub caller: String,
    /// The requested action.
    pub action: Action,
    /// The resource, as the source pages name it.
    pub resource: String,
    /// Whether policies forbade it, or failed. Otherwise none permitted it.
    pub is_explicit: bool,
    /// The ids of these policies; those that only operators may see are the last.
    pub policies: Vec<String>,
    /// How many more there are, for which the message had no room.
    pub left_out: u32,
}

impl Denial {
    /// The refusal that an audit event records.
    pub fn of(event: &AuditEvent, readable_for: Duration) -> Self {
        let mut policies = event.policies.clone();
        policies.sort_by_key(|id| is_of_a_file(id));
        Self {
            at: event.at,
            readable_for,
            request_id: event.request_id,
            caller: event.caller.to_string(),
            action: event.action,
            resource: event.resource.clone(),
            is_explicit: !policies.is_empty(),
            policies,
            left_out: 0,
        }
    }

    /// What a tenant's administrators may see of it. The policies that they may see are few and the first, so none of them was
    /// left out.
    #[must_use]
    pub fn for_a_tenant(mut self) -> Self {
        self.policies.retain(|id| !is_of_a_file(id));
        Self { left_out: 0, ..self }
    }

    /// When administrators can read it.
    pub fn readable(&self) -> Window {
        Window::from(self.at, self.readable_for)
    }
}

/// Whether a policy is in one of an operator's files: its id begins with the file's name. Only operators may see it.
pub fn is_of_a_file(policy_id: &str) -> bool {
    policy_id.contains('/')
}
