//! RAM users.

use super::wire;
use crate::domain::names::{RamUserName, TenantName};
use crate::domain::subject::{SubjectKind, SubjectName};
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::passwords::exposed;
use crate::service::requests::{AttributesToCreate, SubjectToCreate};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn create(
    service: &Service,
    call: Call,
    message: wire::CreateRamUserRequest,
) -> Result<wire::CreateRamUserResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let name = fields.take("user_name", RamUserName::parse(&message.user_name));
    let first_password = fields.first_password(message.first_password);
    let wanted = fields.all(|| {
        let attributes = AttributesToCreate::RamUser;
        Some(SubjectToCreate { name: SubjectName::RamUser(name?), attributes, first_password })
    })?;
    let created = service.create_subject(call, tenant, wanted).await?;
    Ok(wire::CreateRamUserResponse {
        ram_user: Some(created.entry.try_into()?),
        generated_password: exposed(created.generated.as_deref()),
    })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeRamUserRequest,
) -> Result<wire::DescribeRamUserResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.user_name)?;
    let entry = service.describe_subject(call, tenant, name).await?;
    Ok(wire::DescribeRamUserResponse { ram_user: Some(entry.try_into()?) })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListRamUsersRequest,
) -> Result<wire::ListRamUsersResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let tokens = service.page_tokens(&call, tenant.as_ref(), "");
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (tenant, page) = fields.all(|| Some((tenant, page?)))?;
    let page = service.list_subjects(call, tenant, SubjectKind::RamUser, None, page).await?;
    let (ram_users, next_page_token) = listed(&tokens, page)?;
    Ok(wire::ListRamUsersResponse { ram_users, next_page_token })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteRamUserRequest,
) -> Result<wire::DeleteRamUserResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.user_name)?;
    service.delete_subject(call, tenant, name).await?;
    Ok(wire::DeleteRamUserResponse {})
}

fn named(tenant: &str, user_name: &str) -> Result<(Option<TenantName>, SubjectName), ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(tenant);
    // Also one that a new subject could no longer have: else it could never be deleted.
    let name = fields.take("user_name", RamUserName::parse_stored(user_name));
    fields.all(|| Some((tenant, SubjectName::RamUser(name?))))
}
