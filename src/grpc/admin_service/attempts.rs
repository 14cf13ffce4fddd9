//! The wrong passwords that count for a subject.

use super::wire;
use crate::domain::attempts::CallerKey;
use crate::domain::caller::Caller;
use crate::domain::field::FieldProblem;
use crate::domain::names::Origin;
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::statuses::Numbered;
use crate::grpc::convert::times::timestamp;
use crate::service::requests::{FailuresOfCaller, FailuresOnSubject};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListAttemptsRequest,
) -> Result<wire::ListAttemptsResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let subject = fields.subject(message.subject);
    let origin = fields.take_unless_empty("origin", &message.origin, Origin::parse);
    let subject_text = subject.as_ref().map(ToString::to_string).unwrap_or_default();
    let narrowed_to = format!("{subject_text} {}", message.origin);
    let tokens = service.page_tokens(&call, tenant.as_ref(), &narrowed_to);
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (subject, page) = fields.all(|| Some((subject?, page?)))?;
    let found = service.list_attempts(call, tenant, subject, origin, page).await?;
    let FailuresOnSubject { page, by_all, slowed_until } = found;
    let Ok((attempts, next_page_token)) = listed(&tokens, page);
    let (failures_of_all, slowed_until) = (by_all.count, slowed_until.map(timestamp));
    Ok(wire::ListAttemptsResponse { attempts, next_page_token, failures_of_all, slowed_until })
}

pub(super) async fn clear(
    service: &Service,
    call: Call,
    message: wire::ClearAttemptsRequest,
) -> Result<wire::ClearAttemptsResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let subject = fields.subject(message.subject);
    let malformed = FieldProblem::Malformed { expected: "must be an attempts_id of ListAttempts" };
    let parse = |text: &str| CallerKey::parse(text).ok_or(malformed);
    let of = fields.take_unless_empty("attempts_id", &message.attempts_id, parse);
    let cleared = service.clear_attempts(call, tenant, fields.all(|| subject)?, of).await?;
    Ok(wire::ClearAttemptsResponse { cleared })
}

impl From<FailuresOfCaller> for wire::FailedAttempts {
    fn from(FailuresOfCaller { pair, has_origin, wait_until }: FailuresOfCaller) -> Self {
        Self {
            attempts_id: pair.key.to_string(),
            caller_kind: pair.caller.as_ref().map_or(0, |caller| caller.kind().number()),
            caller_name: pair.caller.as_ref().map_or("", Caller::name).to_owned(),
            has_origin,
            failures: pair.failures.count,
            last_failure_time: pair.failures.last_at.map(timestamp),
            wait_until: wait_until.map(timestamp),
            stopped: pair.is_stopped,
        }
    }
}
