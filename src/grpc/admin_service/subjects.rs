//! The operations that all kinds of subject have. The fields of each kind's messages are in `kinds`.

use super::kinds::{CreatesSubject, ListsSubjects, NamesSubject, SetsStatus};
use crate::domain::names::TenantName;
use crate::domain::subject::SubjectName;
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::service::requests::{CreatedSubject, DescribedSubject};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn create<M: CreatesSubject, R: TryFrom<CreatedSubject, Error = ServiceError>>(
    service: &Service,
    call: Call,
    message: M,
) -> Result<R, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(message.tenant());
    let wanted = message.subject_to_create(&mut fields);
    let wanted = fields.all(|| wanted)?;
    service.create_subject(call, tenant, wanted).await?.try_into()
}

pub(super) async fn describe<M: NamesSubject, R: TryFrom<DescribedSubject, Error = ServiceError>>(
    service: &Service,
    call: Call,
    message: M,
) -> Result<R, ServiceError> {
    let (tenant, name) = named(&message)?;
    service.describe_subject(call, tenant, name).await?.try_into()
}

pub(super) async fn list<M: ListsSubjects>(
    service: &Service,
    call: Call,
    message: M,
) -> Result<M::Response, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(message.tenant());
    let instance = message.instance(&mut fields);
    let within = instance.as_ref().map(ToString::to_string).unwrap_or_default();
    let tokens = service.page_tokens(&call, tenant.as_ref(), &within);
    let (page_size, page_token) = message.page();
    let page = fields.page(&tokens, page_size, page_token);
    let page = fields.all(|| page)?;
    let page = service.list_subjects(call, tenant, M::KIND, instance, page).await?;
    Ok(listed::<DescribedSubject, M::Subject>(&tokens, page)?.into())
}

pub(super) async fn delete<M: NamesSubject, R: Default>(
    service: &Service,
    call: Call,
    message: M,
) -> Result<R, ServiceError> {
    let (tenant, name) = named(&message)?;
    service.delete_subject(call, tenant, name).await?;
    Ok(R::default())
}

pub(super) async fn set_status<M: SetsStatus, R: TryFrom<DescribedSubject, Error = ServiceError>>(
    service: &Service,
    call: Call,
    message: M,
) -> Result<R, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(message.tenant());
    let name = message.name(&mut fields);
    let status = message.status(&mut fields);
    let (name, status) = fields.all(|| Some((name?, status?)))?;
    service.set_subject_status(call, tenant, name, status).await?.try_into()
}

fn named(message: &impl NamesSubject) -> Result<(Option<TenantName>, SubjectName), ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(message.tenant());
    let name = message.name(&mut fields);
    fields.all(|| Some((tenant, name?)))
}
