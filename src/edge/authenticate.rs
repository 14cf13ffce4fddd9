//! Authenticates the caller before anything of the message is read.

use std::sync::Arc;

use super::{Explanation, Reason, RequestContext};
use crate::domain::action::Action;
use crate::domain::caller::{Caller, EligibleCaller};
use crate::ports::{
    CertificateHolder, CertificateRefusal, Evidence, ExternalIdentity, PeerCertificate, PresentedJwt, SignatureProblem,
    SignedRequest,
};
use crate::service::{Call, ProofRefusal, Service, ServiceError};

/// The header with the credentials, unless they are a certificate.
const AUTHORIZATION: &str = "authorization";

/// The proof of its caller that a request carries.
pub(super) enum Credentials<'a> {
    /// A token that the service issued.
    BearerToken(&'a str),
    /// A client certificate, which names a caller.
    Certificate(Arc<dyn ExternalIdentity>),
    /// A token of another issuer.
    Jwt(&'a str),
}

impl<'a> Credentials<'a> {
    /// The credentials in the values of all `authorization` headers of a request: `Bearer <token>` (RFC 6750 §2.1),
    /// exactly once. A value that is not ASCII is `None`. Only without such a header, the credentials are the
    /// certificate of the caller.
    pub(super) fn of(
        mut values: impl Iterator<Item = Option<&'a str>>,
        certificate: Option<&PeerCertificate>,
    ) -> Option<Self> {
        let Some(value) = values.next() else { return certificate?.identity().cloned().map(Self::Certificate) };
        let (value, None) = (value?, values.next()) else { return None };
        let (scheme, token) = value.split_once(' ')?;
        let is_token = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ');
        // Our tokens hold no dot, and a signed JWT holds two (RFC 7515, section 7.1).
        let credentials = if token.contains('.') { Self::Jwt(token) } else { Self::BearerToken(token) };
        is_token.then_some(credentials)
    }
}

/// Authenticates the caller, takes one request from its quotas, and checks whether that kind of caller may use the
/// operation at all. If the caller's certificate names a caller, it must be the same one, also from then on.
///
/// `header` returns the values of a header of the request, and `None` for one that is not ASCII. `peer` is the certificate
/// of the connection.
///
/// # Errors
/// The error for the caller.
pub async fn authenticate<'a, Values: Iterator<Item = Option<&'a str>>>(
    service: &Service,
    header: impl Fn(&'static str) -> Values,
    peer: Option<&PeerCertificate>,
    context: &RequestContext,
) -> Result<Call, Explanation> {
    let refused = |error: ServiceError| Explanation::of_error(&error, context);
    let certificate = accepted_certificate(service, peer, &header, context).map_err(refused)?;
    let certificate = certificate.as_ref();
    let credentials = Credentials::of(header(AUTHORIZATION), certificate);
    let (caller, evidence) = match credentials.ok_or_else(|| refused(ServiceError::Unauthenticated))? {
        Credentials::BearerToken(token) => service.authenticate(token).await.map_err(refused)?,
        Credentials::Certificate(identity) => service.authenticate_external(identity).await.map_err(refused)?,
        Credentials::Jwt(text) => {
            let identity = service.identity_of_jwt(PresentedJwt { text, certificate }).await.map_err(|refusal| {
                log_refusal(service, ProofRefusal::Jwt(refusal), context);
                refused(ServiceError::Unauthenticated)
            })?;
            service.authenticate_external(identity).await.map_err(refused)?
        }
    };
    context.record.note_caller(&caller);
    let evidence = with_certificate(service, certificate, evidence, &caller).map_err(refused)?;
    service.take_quota(&caller).map_err(refused)?;
    let action = context.action.ok_or_else(|| Explanation::of_reason(Reason::UnknownMethod))?;
    call_of(caller, action, evidence, context).map_err(refused)
}

/// As [`authenticate`], for a request that an access key signs, instead of credentials in its headers. The request must be
/// complete: the signature covers it.
///
/// # Errors
/// The error for the caller. Its [`signature`](Explanation::signature) says why a signature is refused.
pub async fn authenticate_signed<'a, Values: Iterator<Item = Option<&'a str>>>(
    service: &Service,
    request: &dyn SignedRequest,
    header: impl Fn(&'static str) -> Values,
    peer: Option<&PeerCertificate>,
    context: &RequestContext,
) -> Result<Call, Explanation> {
    let refused = |error: ServiceError| Explanation::of_error(&error, context);
    let certificate = accepted_certificate(service, peer, &header, context).map_err(refused)?;
    let (caller, evidence) = service.authenticate_signed(request).await.map_err(|error| {
        if let ServiceError::SignatureRefused(refusal) = error {
            log_refusal(service, ProofRefusal::Signature(refusal), context);
        }
        refused(error)
    })?;
    context.record.note_caller(&caller);
    let evidence = with_certificate(service, certificate.as_ref(), evidence, &caller).map_err(refused)?;
    let action = context.action.ok_or_else(|| Explanation::of_reason(Reason::UnknownMethod))?;
    call_of(caller, action, evidence, context).map_err(refused)
}

/// Counts and logs a signature that can't be checked, so that [`authenticate_signed`] never sees it.
pub fn note_unchecked_signature(service: &Service, problem: SignatureProblem, context: &RequestContext) {
    service.count_unchecked_signature();
    log_refusal(service, ProofRefusal::Unchecked(problem), context);
}

/// The evidence, and beside it a certificate which names a caller: that must be this one, also from then on.
fn with_certificate(
    service: &Service,
    certificate: Option<&PeerCertificate>,
    evidence: Evidence,
    caller: &Caller,
) -> Result<Evidence, ServiceError> {
    match certificate.and_then(PeerCertificate::identity) {
        Some(certificate) => service.with_certificate(evidence, certificate, caller),
        None => Ok(evidence),
    }
}

/// The call of an authenticated caller, if its kind can use the operation at all.
fn call_of(caller: Caller, action: Action, evidence: Evidence, context: &RequestContext) -> Result<Call, ServiceError> {
    let caller = EligibleCaller::new(caller, action).ok_or(ServiceError::CallerNotEligible(action))?;
    Ok(Call {
        caller,
        evidence: Some(evidence),
        request_id: context.request_id.0,
        correlation_id: context.correlation_id.as_ref().map(|id| id.as_str().to_owned()),
        deadline: context.times.deadline,
    })
}

/// The outcome of a call, as its caller may know it. The result of a read, and the reason why a change was not made, are
/// disclosed only if the caller is still authenticated: deleted rows of token and tenant never come back, so they existed
/// during the read, and the tenant was the caller's own and not another tenant under the same name.
///
/// # Errors
/// That of the outcome, or the caller is no longer authenticated.
pub async fn disclosed<T>(service: &Service, call: &Call, outcome: Result<T, ServiceError>) -> Result<T, ServiceError> {
    let reveals_what_was_read = match &outcome {
        Ok(_) => call.caller.action().only_reads(),
        // What a denial is decided on was read before the gate's check of the evidence, or together with it.
        Err(ServiceError::Store(_) | ServiceError::NotAdmitted(_) | ServiceError::AccessDenied { .. }) => false,
        Err(_) => true,
    };
    let is_proven = if reveals_what_was_read { service.still_authenticated(call).await } else { Ok(()) };
    is_proven.and(outcome)
}

/// The certificate of the caller, if it has one. A refusal is logged.
fn accepted_certificate<'a, Values: Iterator<Item = Option<&'a str>>>(
    service: &Service,
    peer: Option<&PeerCertificate>,
    header: impl Fn(&'static str) -> Values,
    context: &RequestContext,
) -> Result<Option<PeerCertificate>, ServiceError> {
    certificate_of_caller(peer, header).map_err(|refusal| {
        log_refusal(service, ProofRefusal::Certificate(refusal), context);
        ServiceError::Unauthenticated
    })
}

/// The certificate of the caller: that of the peer, or the one that the peer forwards if it is a trusted proxy. From any
/// other peer, the headers of proxies have no effect: clients and other proxies can set them.
fn certificate_of_caller<'a, Values: Iterator<Item = Option<&'a str>>>(
    peer: Option<&PeerCertificate>,
    header: impl Fn(&'static str) -> Values,
) -> Result<Option<PeerCertificate>, CertificateRefusal> {
    let Some(PeerCertificate { holder: CertificateHolder::Proxy(proxy), .. }) = peer else { return Ok(peer.cloned()) };
    let mut values = header(proxy.header());
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Some(value)), None) => Arc::clone(proxy).client(value).map(Some),
        _ => Err(CertificateRefusal::Malformed),
    }
}

/// Logs which check refuses a proof, with a limit for each check. Of JWTs, only those that an issuer has signed are worth
/// a line by default: anyone can send other ones.
fn log_refusal(service: &Service, refusal: ProofRefusal, context: &RequestContext) {
    let (request_id, peer) = (context.request_id, context.peer);
    let proof = match refusal {
        ProofRefusal::Jwt(refusal) if !refusal.is_signed() => {
            return tracing::debug!(%request_id, %peer, %refusal, "a JWT was refused");
        }
        ProofRefusal::Jwt(_) => "a JWT",
        ProofRefusal::Certificate(_) => "the certificate that a proxy forwards",
        ProofRefusal::Signature(_) | ProofRefusal::Unchecked(_) => "a signed request",
    };
    if let Some(left_out) = service.log_refused_proof(refusal) {
        tracing::info!(%request_id, %peer, %refusal, left_out, "{proof} was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of<'a>(values: &[Option<&'a str>]) -> Option<&'a str> {
        match Credentials::of(values.iter().copied(), None)? {
            Credentials::BearerToken(token) => Some(token),
            Credentials::Jwt(_) | Credentials::Certificate(_) => None,
        }
    }

    #[test]
    fn one_bearer_token_is_taken() {
        assert_eq!(token_of(&[Some("Bearer abc")]), Some("abc"));
        assert_eq!(token_of(&[Some("bearer abc")]), Some("abc"), "the scheme's case does not matter");
    }

    #[test]
    fn anything_but_one_bearer_token_is_no_token() {
        assert_eq!(token_of(&[]), None);
        assert_eq!(token_of(&[Some("Bearer abc"), Some("Bearer abc")]), None, "a doubled header");
        assert_eq!(token_of(&[Some("Bearer abc"), None]), None, "a doubled header");
        assert_eq!(token_of(&[None]), None, "not ASCII");
        for value in ["", "Bearer", "Bearer ", "Bearer  abc", "Basic abc", "abc", "Bearer a b"] {
            assert_eq!(token_of(&[Some(value)]), None, "{value:?}");
        }
    }
}
