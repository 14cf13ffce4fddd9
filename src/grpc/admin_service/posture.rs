//! How the stored passwords are hashed.

use super::settings::tenant_of;
use super::wire;
use crate::service::requests::HashGroup;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeHashPostureRequest,
) -> Result<wire::DescribeHashPostureResponse, ServiceError> {
    let posture = service.describe_hash_posture(call, tenant_of(&message.tenant)?).await?;
    Ok(wire::DescribeHashPostureResponse {
        hashes: posture.groups.iter().map(|group| group.hashes).sum(),
        below_target: posture.groups.iter().map(|group| group.below_target).sum(),
        groups: posture.groups.into_iter().map(Into::into).collect(),
        target: posture.target,
    })
}

impl From<HashGroup> for wire::HashGroup {
    fn from(group: HashGroup) -> Self {
        let HashGroup { algorithm, parameters, hashes, below_target } = group;
        Self { algorithm: algorithm.to_owned(), parameters, hashes, below_target }
    }
}
