//! `credential.v1.VerificationService`: for relying systems.

use std::sync::Arc;

use super::convert::Fields;
use super::generated::credential::v1 as wire;
use super::rpcs::rpcs;
use crate::service::requests::Verification;
use crate::service::{Call, Service, ServiceError};
use wire::VerifyPasswordResult;
use wire::verification_service_server::VerificationService;

/// The service on the wire.
pub(super) struct VerificationEdge(pub(super) Arc<Service>);

rpcs! {
    VerificationService for VerificationEdge {
        verify_password(VerifyPasswordRequest) -> VerifyPasswordResponse = verify_password;
        check_password(CheckPasswordRequest) -> CheckPasswordResponse = check_password;
        generate_password(GeneratePasswordRequest) -> GeneratePasswordResponse = generate_password;
    }
}

async fn verify_password(
    service: &Service,
    call: Call,
    message: wire::VerifyPasswordRequest,
) -> Result<wire::VerifyPasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let subject = fields.subject(message.subject);
    let password = fields.password("password", message.password);
    let (subject, password) = fields.all(|| Some((subject?, password?)))?;
    let result = match service.verify_password(call, subject, password).await? {
        Verification::MatchedCurrent => VerifyPasswordResult::MatchedCurrent,
        Verification::ChangeRequired => VerifyPasswordResult::ChangeRequired,
        Verification::Expired => VerifyPasswordResult::Expired,
        Verification::NotMatched => VerifyPasswordResult::NotMatched,
    };
    Ok(wire::VerifyPasswordResponse { result: result.into() })
}

async fn check_password(
    service: &Service,
    call: Call,
    message: wire::CheckPasswordRequest,
) -> Result<wire::CheckPasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let subject = fields.subject(message.subject);
    let password = fields.new_password("password", message.password);
    let (subject, password) = fields.all(|| Some((subject?, password?)))?;
    let violations: Vec<_> = service
        .check_password(call, subject, password)
        .await?
        .into_iter()
        .map(|v| wire::PolicyViolation { rule: v.rule.to_owned(), description: v.to_string() })
        .collect();
    Ok(wire::CheckPasswordResponse { accepted: violations.is_empty(), violations })
}

async fn generate_password(
    service: &Service,
    call: Call,
    message: wire::GeneratePasswordRequest,
) -> Result<wire::GeneratePasswordResponse, ServiceError> {
    let mut fields = Fields::default();
    let subject = fields.subject(message.subject);
    let subject = fields.all(|| subject)?;
    let password = service.generate_password(call, subject).await?;
    Ok(wire::GeneratePasswordResponse { password: password.expose().to_owned() })
}
