//! The layer that finds out who is calling, before anything of the message is read.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Request};
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;

use super::asked::Asked;
use super::edge::Edge;
use super::reason::Reason;
use super::request_id::CorrelationId;
use super::status;
use crate::domain::action::{ADMIN_SERVICE, CREDENTIAL_SERVICE, VERIFICATION_SERVICE};
use crate::domain::caller::EligibleCaller;
use crate::ports::Deadline;
use crate::service::{Call, Service, ServiceError};

const OUR_SERVICES: [&str; 3] = [CREDENTIAL_SERVICE, VERIFICATION_SERVICE, ADMIN_SERVICE];

/// Lets calls of our services through with the [`Call`] among their extensions, or not at all. Health, reflection and
/// what does not exist need no caller.
pub(super) fn with_callers(inner: impl Edge, service: Arc<Service>) -> impl Edge {
    service_fn(move |request: Request<Body>| {
        let (mut inner, service) = (inner.clone(), Arc::clone(&service));
        async move {
            let (mut head, body) = request.into_parts();
            if is_ours(head.uri.path()) {
                match authenticated(&head, &service).await {
                    Ok(call) => head.extensions.insert(call),
                    Err(status) => return Ok(status.into_http()),
                };
            }
            inner.call(Request::from_parts(head, body)).await
        }
    })
}

fn is_ours(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).is_some_and(|(name, _)| OUR_SERVICES.contains(&name))
}

async fn authenticated(head: &Parts, service: &Service) -> Result<Call, Status> {
    let asked = Asked::in_extensions(&head.extensions);
    let refused = |error: ServiceError| status::of_error(&error, asked);
    let token = bearer_token(&head.headers).ok_or_else(|| refused(ServiceError::Unauthenticated))?;
    let (caller, evidence) = service.authenticate(token).await.map_err(refused)?;
    let action = asked.action.ok_or_else(|| status::of_reason(Reason::UnknownMethod, asked))?;
    let caller = EligibleCaller::new(caller, action).ok_or_else(|| refused(ServiceError::CallerNotEligible(action)))?;
    let deadline = head.extensions.get::<Deadline>().copied();
    Ok(Call {
        caller,
        evidence: Some(evidence),
        request_id: asked.request_id.0,
        correlation_id: head.extensions.get::<CorrelationId>().map(|id| id.0.clone()),
        deadline: deadline.ok_or_else(|| refused(ServiceError::Internal("a call without a deadline")))?,
    })
}

/// The token of `authorization: Bearer <token>` (RFC 6750 §2.1), which has to be there exactly once.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let is_token = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ');
    is_token.then_some(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token_of(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map(str::to_owned)
    }

    #[test]
    fn one_bearer_token_is_taken() {
        assert_eq!(token_of(&[b"Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token_of(&[b"bearer abc"]).as_deref(), Some("abc"), "the scheme's case does not matter");
    }

    #[test]
    fn anything_but_one_bearer_token_is_none() {
        assert_eq!(token_of(&[]), None);
        assert_eq!(token_of(&[b"Bearer abc", b"Bearer abc"]), None, "a doubled header");
        let bad: [&[u8]; 8] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer  abc",
            b"Basic abc",
            b"abc",
            b"Bearer a b",
            "Bearer \u{e4}".as_bytes(),
        ];
        for value in bad {
            assert_eq!(token_of(&[value]), None, "{value:?}");
        }
    }
}
