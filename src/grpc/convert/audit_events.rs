//! Audit events for their readers.

use super::change_events::cursor_at;
use super::times::timestamp;
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::subject::SubjectId;
use crate::edge::{Reason, RequestId};
use crate::grpc::generated::credential::admin::v1 as wire;
use crate::service::requests::AuditItem;

impl From<AuditItem> for wire::ListAuditEventsResponse {
    fn from(item: AuditItem) -> Self {
        let unreadable = |_| wire::AuditEvent { outcome: "unreadable".to_owned(), ..wire::AuditEvent::default() };
        let event = item.event.map(|event| event.map_or_else(unreadable, Into::into));
        Self { cursor: cursor_at(item.cursor), event }
    }
}

impl From<AuditEvent> for wire::AuditEvent {
    fn from(event: AuditEvent) -> Self {
        let (mut change_id, mut version, mut imported, mut unchanged) = Default::default();
        match &event.outcome {
            AuditOutcome::Changed { change_id: id, version: made } => {
                (change_id, version) = (id.0.to_string(), Some(made.number()));
            }
            AuditOutcome::Delivered { version: delivered } => version = Some(delivered.number()),
            AuditOutcome::Imported { subjects, unchanged: there } => {
                (imported, unchanged) = (Some(*subjects), Some(*there));
            }
            _ => {}
        }
        let repeats = event.outcome.repeats();
        let id_of = |subject: Option<SubjectId>| subject.map(|id| id.to_string()).unwrap_or_default();
        Self {
            id: event.id.to_string(),
            time: Some(timestamp(event.at)),
            outcome: event.outcome.as_str().to_owned(),
            reason: reason(&event.outcome).map(|reason| reason.name().to_owned()).unwrap_or_default(),
            caller: event.caller.to_string(),
            caller_subject_id: id_of(event.caller.subject_id()),
            action: event.action.name().to_owned(),
            resource: event.resource,
            subject_id: id_of(event.subject),
            tenant_id: event.tenant.map(|id| id.to_string()).unwrap_or_default(),
            request_id: RequestId(event.request_id).to_string(),
            correlation_id: event.correlation_id.unwrap_or_default(),
            process: event.process.map(|name| name.to_string()).unwrap_or_default(),
            policies: event.policies,
            change_id,
            version,
            imported,
            unchanged,
            repeats: repeats.map_or(0, |repeats| repeats.count),
            repeated_since: repeats.map(|repeats| timestamp(repeats.since)),
        }
    }
}

/// The reason of the error that the caller got, where the outcome has only one. A wrong password may be an old one, one
/// that was used before, or not that of a client token; of a verification it is the answer.
const fn reason(outcome: &AuditOutcome) -> Option<Reason> {
    match outcome {
        AuditOutcome::Denied { .. } => Some(Reason::AccessDenied),
        AuditOutcome::Throttled { .. } => Some(Reason::TooManyAttempts),
        _ => None,
    }
}
