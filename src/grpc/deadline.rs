//! The layer that ends a call when its time is up.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request};
use tonic::body::Body;
use tower::service_fn;

use super::asked::Asked;
use super::edge::Edge;
use super::status;
use crate::domain::action::Action;
use crate::domain::time::days;
use crate::ports::{Clock, Deadline};
use crate::service::ServiceError;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// As good as for ever.
const OPEN_ENDED: Duration = days(366);

/// How long each message of a stream may take. The layer leaves it among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct EachWithin(pub(super) Duration);

/// Answers `DEADLINE_EXCEEDED` when the caller's time, or the longest that the service gives, is up; the layers within
/// find the [`Deadline`] among the request's extensions. Whatever must go on is detached by then.
///
/// An answer that goes on for as long as its caller listens has to begin by then; its own [`Deadline`] is the caller's
/// alone. What is sent as a stream may take as long as its caller allows; the longest is then for each message.
pub(super) fn with_deadlines(inner: impl Edge, clock: Arc<dyn Clock>, longest: Duration) -> impl Edge {
    service_fn(move |mut request: Request<Body>| {
        let timeout = timeout_of(request.headers());
        let allowed = timeout.map_or(longest, |timeout| timeout.min(longest));
        let unbounded = timeout.unwrap_or(OPEN_ENDED).min(OPEN_ENDED);
        let asked = Asked::in_extensions(request.extensions());
        let is_open_ended = asked.action.is_some_and(Action::is_open_ended);
        let is_stream = asked.action.is_some_and(Action::is_sent_as_stream);
        let in_all = if is_open_ended { unbounded } else { allowed };
        request.extensions_mut().insert(Deadline::at(clock.instant() + in_all));
        request.extensions_mut().insert(EachWithin(longest));
        // Before anything else: the transport's own timer answers CANCELLED, and must not be first.
        let time_is_up = tokio::time::sleep(if is_stream { unbounded } else { allowed });
        let answer = inner.clone().call(request);
        async move {
            tokio::select! {
                biased;
                response = answer => response,
                () = time_is_up => Ok(status::of_error(&ServiceError::DeadlineExceeded, asked).into_http()),
            }
        }
    })
}

/// The caller's `grpc-timeout` (gRPC over HTTP/2, "Requests"): digits and a unit. More than the eight digits that the
/// protocol allows are read all the same: clients that send them mean a long time, and not none. Anything else is as if
/// it were absent, and the service's own bound holds.
fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Digits alone fail to parse only where there are too many.
    let count: u64 = digits.parse().unwrap_or(u64::MAX);
    match unit {
        "H" => Some(Duration::from_secs(count.saturating_mul(60 * 60))),
        "M" => Some(Duration::from_secs(count.saturating_mul(60))),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
        timeout_of(&headers)
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(timeout("2M"), Some(Duration::from_mins(2)));
        assert_eq!(timeout("3S"), Some(Duration::from_secs(3)));
        assert_eq!(timeout("200m"), Some(Duration::from_millis(200)));
        assert_eq!(timeout("7u"), Some(Duration::from_micros(7)));
        assert_eq!(timeout("0n"), Some(Duration::ZERO));
        assert_eq!(timeout("129600000m"), Some(Duration::from_hours(36)), "nine digits");
        for unit in ["H", "M", "S", "m", "u", "n"] {
            assert!(timeout(&format!("{}{unit}", "9".repeat(40))) > Some(Duration::from_hours(24 * 365)), "{unit}");
        }
        for bad in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "1 S"] {
            assert_eq!(timeout(bad), None, "{bad:?}");
        }
    }
}
