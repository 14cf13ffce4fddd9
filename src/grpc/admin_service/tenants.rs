//! Tenants.

use super::wire;
use crate::domain::names::TenantName;
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn create(
    service: &Service,
    call: Call,
    message: wire::CreateTenantRequest,
) -> Result<wire::CreateTenantResponse, ServiceError> {
    let tenant = service.create_tenant(call, named(&message.tenant)?).await?;
    Ok(wire::CreateTenantResponse { tenant: Some(tenant.into()) })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeTenantRequest,
) -> Result<wire::DescribeTenantResponse, ServiceError> {
    let tenant = service.describe_tenant(call, named(&message.tenant)?).await?;
    Ok(wire::DescribeTenantResponse { tenant: Some(tenant.into()) })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListTenantsRequest,
) -> Result<wire::ListTenantsResponse, ServiceError> {
    let mut fields = Fields::default();
    let tokens = service.page_tokens(&call, None, "");
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let page = service.list_tenants(call, fields.all(|| page)?).await?;
    let Ok((tenants, next_page_token)) = listed(&tokens, page);
    Ok(wire::ListTenantsResponse { tenants, next_page_token })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteTenantRequest,
) -> Result<wire::DeleteTenantResponse, ServiceError> {
    service.delete_tenant(call, named(&message.tenant)?).await?;
    Ok(wire::DeleteTenantResponse {})
}

/// The tenant that a request is about. It must be named.
fn named(text: &str) -> Result<TenantName, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.take("tenant", TenantName::parse(text));
    fields.all(|| tenant)
}
