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
    /// The ids of these policies.
    pub policies: Vec<String>,
    /// How many more there are, for which the message had no room.
    pub left_out: u32,
}

impl Denial {
    /// The refusal that an audit event records.
    pub fn of(event: &AuditEvent, readable_for: Duration) -> Self {
        Self {
            at: event.at,
            readable_for,
            request_id: event.request_id,
            caller: event.caller.to_string(),
            action: event.action,
            resource: event.resource.clone(),
            is_explicit: !event.policies.is_empty(),
            policies: event.policies.clone(),
            left_out: 0,
        }
    }

    /// When administrators can read it.
    pub fn readable(&self) -> Window {
        Window::from(self.at, self.readable_for)
    }
}
