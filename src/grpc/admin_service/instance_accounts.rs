//! Instance accounts.

use super::wire;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::subject::{InstanceAccountStatus, SubjectKind, SubjectName};
use crate::edge::Fields;
use crate::edge::RequestId;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::passwords::exposed;
use crate::grpc::convert::statuses::Numbered;
use crate::ports::store::SubjectStatus;
use crate::service::requests::{AttributesToCreate, SubjectToCreate};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn create(
    service: &Service,
    call: Call,
    message: wire::CreateInstanceAccountRequest,
) -> Result<wire::CreateInstanceAccountResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let name = fields.account(&message.instance_id, &message.account_name);
    let status = InstanceAccountStatus::or(message.account_status, InstanceAccountStatus::Available);
    let status = fields.take("account_status", status);
    let first_password = fields.first_password(message.first_password);
    let wanted = fields.all(|| {
        let attributes = AttributesToCreate::InstanceAccount { status: status? };
        Some(SubjectToCreate { name: name?, attributes, first_password })
    })?;
    let created = service.create_subject(call, tenant, wanted).await?;
    Ok(wire::CreateInstanceAccountResponse {
        instance_account: Some(created.entry.try_into()?),
        generated_password: exposed(created.generated.as_deref()),
    })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeInstanceAccountRequest,
) -> Result<wire::DescribeInstanceAccountResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.instance_id, &message.account_name)?;
    let entry = service.describe_subject(call, tenant, name).await?;
    Ok(wire::DescribeInstanceAccountResponse { instance_account: Some(entry.try_into()?) })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListInstanceAccountsRequest,
) -> Result<wire::ListInstanceAccountsResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let instance = fields.take("instance_id", InstanceId::parse(&message.instance_id));
    let tokens = service.page_tokens(&call, tenant.as_ref(), &message.instance_id);
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (instance, page) = fields.all(|| Some((instance?, page?)))?;
    let page = service.list_subjects(call, tenant, SubjectKind::InstanceAccount, Some(instance), page).await?;
    let (instance_accounts, next_page_token) = listed(&tokens, page)?;
    Ok(wire::ListInstanceAccountsResponse { instance_accounts, next_page_token })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteInstanceAccountRequest,
) -> Result<wire::DeleteInstanceAccountResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.instance_id, &message.account_name)?;
    service.delete_subject(call, tenant, name).await?;
    Ok(wire::DeleteInstanceAccountResponse {})
}

pub(super) async fn set_status(
    service: &Service,
    call: Call,
    message: wire::SetInstanceAccountStatusRequest,
) -> Result<wire::SetInstanceAccountStatusResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let name = fields.account(&message.instance_id, &message.account_name);
    let status = fields.take("account_status", InstanceAccountStatus::required(message.account_status));
    let (name, status) = fields.all(|| Some((name?, SubjectStatus::InstanceAccount(status?))))?;
    let entry = service.set_subject_status(call, tenant, name, status).await?;
    Ok(wire::SetInstanceAccountStatusResponse { instance_account: Some(entry.try_into()?) })
}

/// One account, or all of an instance: Tair's own way to ask.
pub(super) async fn describe_accounts(
    service: &Service,
    call: Call,
    message: wire::DescribeAccountsRequest,
) -> Result<wire::DescribeAccountsResponse, ServiceError> {
    let request_id = RequestId(call.request_id).to_string();
    if !message.account_name.is_empty() {
        let (tenant, name) = named(&message.tenant, &message.instance_id, &message.account_name)?;
        let account = service.describe_subject(call, tenant, name).await?.try_into()?;
        return Ok(wire::DescribeAccountsResponse { accounts: vec![account], request_id, ..Default::default() });
    }
    let all = wire::ListInstanceAccountsRequest {
        tenant: message.tenant,
        instance_id: message.instance_id,
        page_size: message.page_size,
        page_token: message.page_token,
    };
    let wire::ListInstanceAccountsResponse { instance_accounts: accounts, next_page_token } =
        list(service, call, all).await?;
    Ok(wire::DescribeAccountsResponse { accounts, request_id, next_page_token })
}

fn named(
    tenant: &str,
    instance_id: &str,
    account_name: &str,
) -> Result<(Option<TenantName>, SubjectName), ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(tenant);
    let name = fields.account(instance_id, account_name);
    fields.all(|| Some((tenant, name?)))
}
