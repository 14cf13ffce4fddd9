//! The calls of a rotation.

use std::time::Duration;

use backon::{BackoffBuilder, Retryable};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::subject::{Kind, Selected, Subject};
use crate::ambient::SystemEntropy;
use crate::cli::admin::refusal;
use crate::cli::caller::Authorization;
use crate::cli::failure;
use crate::domain::password::Password;
use crate::edge::Reason;
use crate::grpc::generated::credential::admin::v1 as wire;
use crate::grpc::generated::credential::v1 as wire_v1;
use crate::ports::retries;
use wire::admin_service_client::AdminServiceClient;
use wire::reset_password_request::NewPassword;

/// How long an answer may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a call is repeated while the service is away, overloaded or too slow.
const PATIENCE: Duration = Duration::from_mins(1);

/// Calls the administration for one tenant.
pub(super) struct Calls {
    pub(super) client: AdminServiceClient<Channel>,
    pub(super) authorization: Authorization,
    pub(super) tenant: String,
}

impl Calls {
    /// A password that the subject's policy accepts, if it could be set now. Sets nothing.
    pub(super) async fn propose(&self, subject: &Selected, keep_previous: bool) -> Result<Password, Status> {
        let request = wire::ResetPasswordRequest {
            new_password: Some(NewPassword::GeneratePassword(true)),
            validate_only: true,
            ..self.reset(subject, keep_previous)
        };
        let answer = patiently(|| async { self.client.clone().reset_password(self.request(request.clone())).await });
        let generated = answer.await?.into_inner().generated_password;
        Password::parse(generated).map_err(|_| Status::internal("the service generated no password"))
    }

    /// Sets a password, unless the subject's has changed since it was selected, and returns its version. The token makes it
    /// safe to send it again.
    pub(super) async fn set(
        &self,
        subject: &Selected,
        password: &Password,
        client_token: &str,
        keep_previous: bool,
    ) -> Result<u64, Status> {
        let send = || async {
            let request = wire::ResetPasswordRequest {
                new_password: Some(NewPassword::Password(password.expose().to_owned())),
                client_token: client_token.to_owned(),
                // Who reads the password at its destination gets one that the nodes have.
                deliver: match subject.name.kind {
                    Kind::InstanceAccount => wire_v1::Deliver::Wait.into(),
                    _ => wire_v1::Deliver::Unspecified.into(),
                },
                ..self.reset(subject, keep_previous)
            };
            self.client.clone().reset_password(self.request(request)).await
        };
        Ok(patiently(send).await?.into_inner().version)
    }

    fn reset(&self, subject: &Selected, keep_previous: bool) -> wire::ResetPasswordRequest {
        wire::ResetPasswordRequest {
            tenant: self.tenant.clone(),
            subject: Some(subject.name.on_the_wire()),
            keep_previous,
            expected_version: Some(subject.version),
            ..wire::ResetPasswordRequest::default()
        }
    }

    /// The passwords of a subject that are valid, and its overlap.
    pub(super) async fn overlap(&self, name: &Subject) -> Result<wire::PasswordOverlap, Status> {
        let request =
            wire::DescribePasswordOverlapRequest { tenant: self.tenant.clone(), subject: Some(name.on_the_wire()) };
        let answer =
            patiently(|| async { self.client.clone().describe_password_overlap(self.request(request.clone())).await });
        Ok(answer.await?.into_inner().overlap.unwrap_or_default())
    }

    /// Whether the passwords of a subject are delivered to nodes, which verify them by themselves.
    pub(super) async fn is_delivered(&self, name: &Subject) -> Result<bool, Status> {
        let Some(instance_id) = name.instance.clone() else { return Ok(false) };
        let (tenant, account_name) = (self.tenant.clone(), name.name.clone());
        let request = wire::DescribeDeliveryRequest { tenant, instance_id, account_name };
        let answer = patiently(|| async { self.client.clone().describe_delivery(self.request(request.clone())).await });
        Ok(answer.await?.into_inner().delivery.is_some())
    }

    /// Sets for how long the previous password of a subject stays valid after a change.
    pub(super) async fn set_overlap(&self, name: &Subject, overlap_seconds: u32) -> Result<(), Status> {
        let subject = Some(name.on_the_wire());
        let request = wire::SetPasswordOverlapRequest { tenant: self.tenant.clone(), subject, overlap_seconds };
        let answer =
            patiently(|| async { self.client.clone().set_password_overlap(self.request(request.clone())).await });
        answer.await.map(drop)
    }

    /// Ends the overlap of a subject.
    pub(super) async fn end_overlap(&self, name: &Subject) -> Result<(), Status> {
        let request =
            wire::EndPasswordOverlapRequest { tenant: self.tenant.clone(), subject: Some(name.on_the_wire()) };
        let answer =
            patiently(|| async { self.client.clone().end_password_overlap(self.request(request.clone())).await });
        answer.await.map(drop)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        self.authorization.request(message, ANSWER_WITHIN)
    }
}

/// Repeats a call, which is safe to repeat, while it may succeed a little later.
async fn patiently<T, F>(call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let pauses = retries::random(retries::SENT_CHANGE.build(), &SystemEntropy);
    let calling = call.retry(pauses).sleep(tokio::time::sleep).when(may_pass);
    tokio::time::timeout(PATIENCE, calling)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the service is away, overloaded or too slow")))
}

/// Whether the same call may succeed a little later.
pub(super) fn may_pass(status: &Status) -> bool {
    // A subject with too many wrong passwords waits longer than a run does.
    let waits = refusal::reason(status) == Some(Reason::TooManyAttempts);
    !waits && refusal::failure(status).kind() == failure::Kind::NotNow
}
