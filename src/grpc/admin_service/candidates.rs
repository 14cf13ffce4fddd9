//! The candidate password policies of a tenant.

use super::settings::{change_of, tenant_of};
use super::wire;
use crate::domain::candidate_policy::Refusals;
use crate::domain::credential::Version;
use crate::domain::tenant_settings::{IamPasswordPolicy, RamPasswordPolicy, TenantSettings};
use crate::grpc::convert::tenant_settings::iam_password_policy;
use crate::service::requests::{CandidateUsers, DescribedCandidate};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn set(
    service: &Service,
    call: Call,
    message: wire::SetCandidatePasswordPolicyRequest,
) -> Result<wire::SetCandidatePasswordPolicyResponse, ServiceError> {
    let change = message.change.unwrap_or_default();
    let tenant = change_of::<RamPasswordPolicy>(&change.tenant, &(&change).into())?;
    let candidate = service.change_candidate::<RamPasswordPolicy>(call, tenant, (&change).into()).await?;
    Ok(wire::SetCandidatePasswordPolicyResponse { candidate: Some(candidate.into()) })
}

pub(super) async fn update_v5(
    service: &Service,
    call: Call,
    message: wire::UpdateCandidatePasswordPolicyV5Request,
) -> Result<wire::UpdateCandidatePasswordPolicyV5Response, ServiceError> {
    let change = message.change.unwrap_or_default();
    let tenant = change_of::<IamPasswordPolicy>(&change.tenant, &(&change).into())?;
    let candidate = service.change_candidate::<IamPasswordPolicy>(call, tenant, (&change).into()).await?;
    Ok(wire::UpdateCandidatePasswordPolicyV5Response { candidate: Some(candidate.into()) })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeCandidatePasswordPolicyRequest,
) -> Result<wire::DescribeCandidatePasswordPolicyResponse, ServiceError> {
    let described = service.describe_candidate(call, tenant_of(&message.tenant)?).await?;
    Ok(described.map(Into::into).unwrap_or_default())
}

pub(super) async fn adopt(
    service: &Service,
    call: Call,
    message: wire::AdoptCandidatePasswordPolicyRequest,
) -> Result<wire::AdoptCandidatePasswordPolicyResponse, ServiceError> {
    let settings = service.adopt_candidate(call, tenant_of(&message.tenant)?, Version::new(message.version)).await?;
    Ok(wire::AdoptCandidatePasswordPolicyResponse {
        password_policy: Some(settings.ram.into()),
        password_policy_v5: Some(iam_password_policy(settings.iam)),
    })
}

pub(super) async fn drop(
    service: &Service,
    call: Call,
    message: wire::DropCandidatePasswordPolicyRequest,
) -> Result<wire::DropCandidatePasswordPolicyResponse, ServiceError> {
    service.drop_candidate(call, tenant_of(&message.tenant)?, Version::new(message.version)).await?;
    Ok(wire::DropCandidatePasswordPolicyResponse {})
}

impl From<(Version, TenantSettings)> for wire::CandidatePasswordPolicy {
    fn from((version, settings): (Version, TenantSettings)) -> Self {
        Self {
            version: version.number(),
            password_policy: Some(settings.ram.into()),
            password_policy_v5: Some(iam_password_policy(settings.iam)),
        }
    }
}

impl From<DescribedCandidate> for wire::DescribeCandidatePasswordPolicyResponse {
    fn from(described: DescribedCandidate) -> Self {
        let counts = described.comparisons;
        Self {
            candidate: Some((described.version, described.settings).into()),
            compared: counts.compared,
            would_be_refused: Some(counts.would_be_refused.into()),
            would_be_accepted: Some(counts.would_be_accepted.into()),
            ram_users: Some(described.ram_users.into()),
            iam_users: Some(described.iam_users.into()),
        }
    }
}

impl From<Refusals> for wire::CandidateDifferences {
    fn from(Refusals { requests, rules }: Refusals) -> Self {
        Self { requests, rules: rules.into_iter().collect() }
    }
}

impl From<CandidateUsers> for wire::CandidateUsers {
    fn from(users: CandidateUsers) -> Self {
        let CandidateUsers { users, change_required, expired, change_required_now, expired_now } = users;
        Self { users, change_required, expired, change_required_now, expired_now }
    }
}
