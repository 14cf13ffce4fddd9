//! An [`Explanation`] in gRPC: a `google.rpc.Status` with details (contract: `docs/errors.md`).

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::code::code_of;
use crate::edge::{Explanation, Reason, RequestContext, Retry, Violation};
use crate::service::ServiceError;

/// The `domain` of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "credential.v1";

/// Tells retry policies when to send the same request again, or with -1 not to (gRFC A6, "Pushback").
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Largest size of violations in bytes: encoded and with all other details they stay under 6 KiB, because clients
/// refuse larger metadata.
const MAX_VIOLATION_BYTES: usize = 3 * 1024;

/// The status of an error of a use case.
pub(super) fn of_error(error: &ServiceError, context: &RequestContext) -> Status {
    of(Explanation::of_error(error, context), context)
}

/// The status of a failure outside of the use cases.
pub(super) fn of_reason(reason: Reason, context: &RequestContext) -> Status {
    of(Explanation::of_reason(reason), context)
}

/// The status for an explanation.
pub(super) fn of(explanation: Explanation, context: &RequestContext) -> Status {
    context.record.note_reason(explanation.reason.label());
    let Explanation { reason, message, metadata, violations, unmet, missing, retry_after, signature: _ } = explanation;
    let mut details = ErrorDetails::new();
    let mut metadata: HashMap<_, _> = metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (violations, left_out) = fitting(violations);
    if left_out > 0 {
        metadata.insert("violations_left_out".to_owned(), left_out.to_string());
    }
    if !violations.is_empty() {
        details.set_bad_request(violations);
    }
    if let Some((subject, description)) = unmet {
        details.add_precondition_failure_violation(reason.name(), subject, description);
    }
    if let Some(missing) = missing {
        details.set_resource_info(missing, "", "", "does not exist");
    }
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    details.set_error_info(reason.name(), ERROR_DOMAIN, metadata);
    details.set_request_info(context.request_id.to_string(), "");
    let mut trailers = MetadataMap::new();
    if let Some(pushback) = pushback(reason.retry(), retry_after) {
        trailers.insert(RETRY_PUSHBACK, pushback.into());
    }
    Status::with_error_details_and_metadata(code_of(reason), message, details, trailers)
}

/// As many violations as fit, and the number of those that do not.
fn fitting(mut violations: Vec<Violation>) -> (Vec<FieldViolation>, usize) {
    let mut bytes = 0;
    let fitting = violations.iter().take_while(|violation| {
        bytes += violation.field.len() + violation.description.len() + violation.reason.len() + 12;
        bytes <= MAX_VIOLATION_BYTES
    });
    let count = fitting.count();
    let left_out = violations.len() - count;
    violations.truncate(count);
    let on_the_wire = |violation: Violation| {
        let mut on_the_wire = FieldViolation::new(violation.field, violation.description);
        violation.reason.clone_into(&mut on_the_wire.reason);
        on_the_wire
    };
    (violations.into_iter().map(on_the_wire).collect(), left_out)
}

fn pushback(retry: Retry, retry_after: Option<Duration>) -> Option<i32> {
    match retry {
        Retry::Later => Some(retry_after.map_or(-1, |delay| i32::try_from(delay.as_millis()).unwrap_or(i32::MAX))),
        Retry::Forbidden => Some(-1),
        Retry::Unnamed => None,
    }
}

#[cfg(test)]
mod tests;
