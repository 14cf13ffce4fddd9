//! `credential.v1.VerificationService`: for relying systems.

use std::sync::Arc;

use futures_util::stream::{Stream, unfold};

use super::convert::change_events::position_of;
use super::generated::credential::v1 as wire;
use super::rpc_methods::rpc_methods;
use crate::domain::names::Origin;
use crate::edge::Fields;
use crate::service::requests::{Verification, WatchFrom};
use crate::service::{Call, Service, ServiceError};
use wire::VerifyPasswordResult;
use wire::verification_service_server::VerificationService;
use wire::watch_changes_request::Start;

/// The service on the wire.
pub(super) struct VerificationEdge(pub(super) Arc<Service>);

rpc_methods! {
    VerificationService for VerificationEdge {
        verify_password(VerifyPasswordRequest) -> VerifyPasswordResponse = verify_password;
        check_password(CheckPasswordRequest) -> CheckPasswordResponse = check_password;
        generate_password(GeneratePasswordRequest) -> GeneratePasswordResponse = generate_password;
    }
    watches {
        watch_changes(WatchChangesRequest) -> WatchChangesStream of WatchChangesResponse = watch_changes;
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
    let origin = fields.take_unless_empty("origin", &message.origin, Origin::parse);
    let (subject, password) = fields.all(|| Some((subject?, password?)))?;
    let result = match service.verify_password(call, subject, password, origin).await? {
        Verification::MatchedCurrent => VerifyPasswordResult::MatchedCurrent,
        Verification::MatchedPrevious => VerifyPasswordResult::MatchedPrevious,
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

async fn watch_changes(
    service: &Service,
    call: Call,
    message: wire::WatchChangesRequest,
) -> Result<impl Stream<Item = Result<wire::WatchChangesResponse, ServiceError>> + use<>, ServiceError> {
    let mut fields = Fields::default();
    let from = match message.start {
        Some(Start::Cursor(cursor)) => fields.take("cursor", position_of(&cursor)).map(WatchFrom::Cursor),
        Some(Start::FromOldest(true)) => Some(WatchFrom::Oldest),
        Some(Start::FromOldest(false)) | None => Some(WatchFrom::Now),
    };
    let from = fields.all(|| from)?;
    let watch = service.watch_changes(call, from).await?;
    Ok(unfold(watch, |mut watch| async move {
        let item = watch.next().await?;
        Some((item.map(Into::into), watch))
    }))
}
