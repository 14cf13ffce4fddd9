//! Mail domains.

use super::wire;
use crate::domain::names::{DomainName, Region, TenantName};
use crate::domain::subject::{MailDomainStatus, SubjectKind, SubjectName};
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::passwords::exposed;
use crate::grpc::convert::statuses::Numbered;
use crate::ports::store::SubjectStatus;
use crate::service::requests::{AttributesToCreate, SubjectToCreate};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn create(
    service: &Service,
    call: Call,
    message: wire::CreateMailDomainRequest,
) -> Result<wire::CreateMailDomainResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let name = fields.take("domain_name", DomainName::parse(&message.domain_name));
    let region = fields.take_unless_empty("region", &message.region, Region::parse);
    let status = fields.take("status", MailDomainStatus::or(message.status, MailDomainStatus::Verified));
    let first_password = fields.first_password(message.first_password);
    let wanted = fields.all(|| {
        let attributes = AttributesToCreate::MailDomain { region, status: status? };
        Some(SubjectToCreate { name: SubjectName::MailDomain(name?), attributes, first_password })
    })?;
    let created = service.create_subject(call, tenant, wanted).await?;
    Ok(wire::CreateMailDomainResponse {
        mail_domain: Some(created.entry.try_into()?),
        generated_password: exposed(created.generated.as_deref()),
    })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeMailDomainRequest,
) -> Result<wire::DescribeMailDomainResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.domain_name)?;
    let entry = service.describe_subject(call, tenant, name).await?;
    Ok(wire::DescribeMailDomainResponse { mail_domain: Some(entry.try_into()?) })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListMailDomainsRequest,
) -> Result<wire::ListMailDomainsResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let tokens = service.page_tokens(&call, tenant.as_ref(), "");
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (tenant, page) = fields.all(|| Some((tenant, page?)))?;
    let page = service.list_subjects(call, tenant, SubjectKind::MailDomain, None, page).await?;
    let (mail_domains, next_page_token) = listed(&tokens, page)?;
    Ok(wire::ListMailDomainsResponse { mail_domains, next_page_token })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteMailDomainRequest,
) -> Result<wire::DeleteMailDomainResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.domain_name)?;
    service.delete_subject(call, tenant, name).await?;
    Ok(wire::DeleteMailDomainResponse {})
}

pub(super) async fn set_status(
    service: &Service,
    call: Call,
    message: wire::SetMailDomainStatusRequest,
) -> Result<wire::SetMailDomainStatusResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let name = fields.take("domain_name", DomainName::parse_stored(&message.domain_name));
    let status = fields.take("status", MailDomainStatus::required(message.status));
    let (name, status) = fields.all(|| Some((SubjectName::MailDomain(name?), SubjectStatus::MailDomain(status?))))?;
    let entry = service.set_subject_status(call, tenant, name, status).await?;
    Ok(wire::SetMailDomainStatusResponse { mail_domain: Some(entry.try_into()?) })
}

fn named(tenant: &str, domain_name: &str) -> Result<(Option<TenantName>, SubjectName), ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(tenant);
    // Also one that a new subject could no longer have: else it could never be deleted. The same in `set_status`.
    let name = fields.take("domain_name", DomainName::parse_stored(domain_name));
    fields.all(|| Some((tenant, SubjectName::MailDomain(name?))))
}
