//! Instances.

use super::wire;
use crate::domain::names::{InstanceId, Region, TenantName};
use crate::domain::subject::InstanceStatus;
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::statuses::Numbered;
use crate::service::requests::InstanceToCreate;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn create(
    service: &Service,
    call: Call,
    message: wire::CreateInstanceRequest,
) -> Result<wire::CreateInstanceResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let id = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    let region = fields.take_unless_empty("region", &message.region, Region::parse);
    let status = fields.take("status", InstanceStatus::or(message.status, InstanceStatus::Normal));
    let wanted = fields.all(|| Some(InstanceToCreate { id: id?, region, status: status? }))?;
    let instance = service.create_instance(call, tenant, wanted).await?;
    Ok(wire::CreateInstanceResponse { instance: Some(instance.into()) })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeInstanceRequest,
) -> Result<wire::DescribeInstanceResponse, ServiceError> {
    let (tenant, id) = named(&message.tenant, &message.instance_id)?;
    let instance = service.describe_instance(call, tenant, id).await?;
    Ok(wire::DescribeInstanceResponse { instance: Some(instance.into()) })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListInstancesRequest,
) -> Result<wire::ListInstancesResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let tokens = service.page_tokens(&call, tenant.as_ref(), "");
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (tenant, page) = fields.all(|| Some((tenant, page?)))?;
    let Ok((instances, next_page_token)) = listed(&tokens, service.list_instances(call, tenant, page).await?);
    Ok(wire::ListInstancesResponse { instances, next_page_token })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteInstanceRequest,
) -> Result<wire::DeleteInstanceResponse, ServiceError> {
    let (tenant, id) = named(&message.tenant, &message.instance_id)?;
    service.delete_instance(call, tenant, id).await?;
    Ok(wire::DeleteInstanceResponse {})
}

pub(super) async fn set_status(
    service: &Service,
    call: Call,
    message: wire::SetInstanceStatusRequest,
) -> Result<wire::SetInstanceStatusResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let id = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    let status = fields.take("status", InstanceStatus::required(message.status));
    let (id, status) = fields.all(|| Some((id?, status?)))?;
    let instance = service.set_instance_status(call, tenant, id, status).await?;
    Ok(wire::SetInstanceStatusResponse { instance: Some(instance.into()) })
}

fn named(tenant: &str, instance_id: &str) -> Result<(Option<TenantName>, InstanceId), ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(tenant);
    let id = fields.take("instance_id", InstanceId::parse(instance_id));
    fields.all(|| Some((tenant, id?)))
}
