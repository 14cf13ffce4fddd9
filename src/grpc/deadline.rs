//! The layer that ends a call when its time is up.

use std::time::Duration;

use http::{HeaderMap, Request};
use tonic::body::Body;
use tower::service_fn;

use super::context::context_of;
use super::http_service::HttpService;
use super::status;
use crate::service::ServiceError;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Returns `DEADLINE_EXCEEDED` if no response has begun in time. Work that must go on is detached by then.
pub(super) fn with_deadlines(inner: impl HttpService) -> impl HttpService {
    service_fn(move |request: Request<Body>| {
        let context = context_of(request.extensions());
        // Before anything else: the transport's own timer returns CANCELLED, and must not be first.
        let begun =
            context.map(|context| (tokio::time::sleep(context.times.to_answer), inner.clone().call(request), context));
        async move {
            let (time_is_up, answer, context) = match begun {
                Ok(begun) => begun,
                Err(status) => return Ok(status.into_http()),
            };
            tokio::select! {
                biased;
                response = answer => response,
                () = time_is_up => Ok(status::of_error(&ServiceError::DeadlineExceeded, &context).into_http()),
            }
        }
    })
}

/// The caller's `grpc-timeout` (gRPC over HTTP/2, "Requests"): digits and a unit. Also accepts
/// more than the eight digits that the protocol allows: clients that send them mean a long time, not none. Anything
/// else counts as absent, so the service's own bound applies.
pub(super) fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Digits alone fail to parse only if there are too many.
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
