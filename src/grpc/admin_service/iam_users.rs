//! IAM users.

use std::collections::HashMap;

use super::wire;
use crate::domain::field::{FieldProblem, LengthUnit};
use crate::domain::names::{IamUserId, IamUserName, TenantName};
use crate::domain::subject::{SubjectKind, SubjectName, Tags};
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::passwords::exposed;
use crate::service::requests::{AttributesToCreate, SubjectToCreate};
use crate::service::{Call, Service, ServiceError};

const MAX_TAGS: usize = 20;
const MAX_TAG_KEY_CHARACTERS: usize = 128;
const MAX_TAG_VALUE_CHARACTERS: usize = 255;

pub(super) async fn create(
    service: &Service,
    call: Call,
    message: wire::CreateIamUserRequest,
) -> Result<wire::CreateIamUserResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let id = fields.take("user_id", IamUserId::parse(&message.user_id));
    let user_name = fields.take_unless_empty("user_name", &message.user_name, IamUserName::parse);
    let tags = fields.take("tags", parse_tags(message.tags));
    let first_password = fields.first_password(message.first_password);
    let wanted = fields.all(|| {
        let attributes = AttributesToCreate::IamUser { user_name, tags: tags? };
        Some(SubjectToCreate { name: SubjectName::IamUser(id?), attributes, first_password })
    })?;
    let created = service.create_subject(call, tenant, wanted).await?;
    Ok(wire::CreateIamUserResponse {
        iam_user: Some(created.entry.try_into()?),
        generated_password: exposed(created.generated.as_deref()),
    })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribeIamUserRequest,
) -> Result<wire::DescribeIamUserResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.user_id)?;
    let entry = service.describe_subject(call, tenant, name).await?;
    Ok(wire::DescribeIamUserResponse { iam_user: Some(entry.try_into()?) })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListIamUsersRequest,
) -> Result<wire::ListIamUsersResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let tokens = service.page_tokens(&call, tenant.as_ref(), "");
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (tenant, page) = fields.all(|| Some((tenant, page?)))?;
    let page = service.list_subjects(call, tenant, SubjectKind::IamUser, None, page).await?;
    let (iam_users, next_page_token) = listed(&tokens, page)?;
    Ok(wire::ListIamUsersResponse { iam_users, next_page_token })
}

pub(super) async fn delete(
    service: &Service,
    call: Call,
    message: wire::DeleteIamUserRequest,
) -> Result<wire::DeleteIamUserResponse, ServiceError> {
    let (tenant, name) = named(&message.tenant, &message.user_id)?;
    service.delete_subject(call, tenant, name).await?;
    Ok(wire::DeleteIamUserResponse {})
}

/// Tags as Huawei TMS allows them: at most 20, keys of 1–128 and values of at most 255 characters.
pub(super) fn parse_tags(tags: HashMap<String, String>) -> Result<Tags, FieldProblem> {
    if tags.len() > MAX_TAGS {
        return Err(FieldProblem::TooLong { max: MAX_TAGS, found: tags.len(), unit: LengthUnit::Entries });
    }
    for (key, value) in &tags {
        if key.is_empty() {
            return Err(FieldProblem::Malformed { expected: "must not have an empty key" });
        }
        for (text, max) in [(key, MAX_TAG_KEY_CHARACTERS), (value, MAX_TAG_VALUE_CHARACTERS)] {
            let found = text.chars().count();
            if found > max {
                return Err(FieldProblem::TooLong { max, found, unit: LengthUnit::Characters });
            }
        }
    }
    Ok(tags.into_iter().collect())
}

fn named(tenant: &str, user_id: &str) -> Result<(Option<TenantName>, SubjectName), ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(tenant);
    let name = fields.take("user_id", IamUserId::parse(user_id));
    fields.all(|| Some((tenant, SubjectName::IamUser(name?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(tags: impl IntoIterator<Item = (String, String)>) -> Option<usize> {
        parse_tags(tags.into_iter().collect()).ok().map(|tags| tags.len())
    }

    #[test]
    fn twenty_tags_of_bounded_length_are_taken() {
        let numbered = |count: usize| (0..count).map(|n| (format!("key{n}"), String::new()));
        assert_eq!(parsed(numbered(20)), Some(20));
        assert_eq!(parsed(numbered(21)), None);
        assert_eq!(parsed([("k".repeat(128), "\u{e9}".repeat(255))]), Some(1));
        assert_eq!(parsed([("k".repeat(129), String::new())]), None);
        assert_eq!(parsed([("k".to_owned(), "v".repeat(256))]), None);
        assert_eq!(parsed([(String::new(), "v".to_owned())]), None);
    }
}
