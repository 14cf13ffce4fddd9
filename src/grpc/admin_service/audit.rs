//! The audit log.

use futures_util::stream::{Stream, unfold};
use uuid::Uuid;

use super::wire;
use crate::domain::audit_event::AuditOutcome;
use crate::domain::audit_filter::AuditFilter;
use crate::domain::field::FieldProblem;
use crate::domain::named_caller::NamedCaller;
use crate::domain::subject::SubjectId;
use crate::edge::Fields;
use crate::grpc::convert::change_events::position_of;
use crate::grpc::convert::times::point_in_time;
use crate::service::requests::AuditQuery;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListAuditEventsRequest,
) -> Result<impl Stream<Item = Result<wire::ListAuditEventsResponse, ServiceError>> + use<>, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let filter = AuditFilter {
        tenant: None,
        subject: fields.take_unless_empty("subject_id", &message.subject_id, subject_id),
        caller: fields.take_unless_empty("caller", &message.caller, caller),
        outcome: fields.take_unless_empty("outcome", &message.outcome, outcome),
        from: message.start_time.and_then(|time| fields.take("start_time", point_in_time(time))),
        until: message.end_time.and_then(|time| fields.take("end_time", point_in_time(time))),
    };
    let cursor = fields.take_unless_empty("cursor", &message.cursor, position_of);
    let most = (message.max_events > 0).then_some(message.max_events);
    let query = fields.all(|| Some(AuditQuery { filter, cursor, most, follow: message.follow }))?;
    let reader = service.list_audit_events(call, tenant, query).await?;
    Ok(unfold(reader, |mut reader| async move {
        let item = reader.next().await?;
        Some((item.map(Into::into), reader))
    }))
}

fn subject_id(text: &str) -> Result<SubjectId, FieldProblem> {
    Uuid::parse_str(text).map(SubjectId).map_err(|_| FieldProblem::Malformed { expected: "must be a UUID" })
}

fn caller(text: &str) -> Result<NamedCaller, FieldProblem> {
    let expected = "must be a caller of an event, as in acme/ram-user/jane or -/operator/jane";
    NamedCaller::parse_shown(text).ok_or(FieldProblem::Malformed { expected })
}

fn outcome(text: &str) -> Result<&'static str, FieldProblem> {
    let expected = "must be done, changed, imported, taken-over, delivered, drifted, withdrawn, denied, throttled, \
                    wrong-password or undecided";
    AuditOutcome::WORDS.into_iter().find(|word| *word == text).ok_or(FieldProblem::Malformed { expected })
}
