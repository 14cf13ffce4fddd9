//! The accounts of Tair's instances.

use serde_json::{Value, json};

use super::Outcome;
use crate::domain::field::FieldProblem;
use crate::domain::names::{AccountName, InstanceId};
use crate::domain::page::{CountedPage, CountedPageRequest, PageRequest};
use crate::domain::password::NewPassword;
use crate::domain::subject::{InstanceAccountName, Subject, SubjectAttributes, SubjectName};
use crate::http::message::{Message, camel_case};
use crate::service::requests::{Reset, WantedPassword};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn reset_account_password(service: &Service, call: Call, mut message: Message) -> Outcome {
    let instance = message.take("instance_id", |text| InstanceId::parse(&text));
    let account = message.take("account_name", |text| AccountName::parse(&text));
    let password = message.take("account_password", NewPassword::parse);
    let reset =
        message.all(|| Some(Reset::of(SubjectName::account(instance?, account?), WantedPassword::Given(password?))))?;
    service.reset_password(call, None, reset).await?;
    Ok(json!({}))
}

/// One account, or a page of those of an instance. A caller that names no size gets as many as a page can have, because the
/// vendor's older SDKs know no pages.
pub(super) async fn describe_accounts(service: &Service, call: Call, mut message: Message) -> Outcome {
    let instance = message.take("instance_id", |text| InstanceId::parse(&text));
    let account =
        message.take("account_name", |text| (!text.is_empty()).then(|| AccountName::parse(&text)).transpose());
    let searched = message.take("search_account_name", part_of_name);
    let number = message.scalar::<u32>("page_number").unwrap_or(1).max(1);
    let size = message.scalar::<u32>("page_size").unwrap_or(PageRequest::MAX_SIZE).clamp(1, PageRequest::MAX_SIZE);
    let (instance, account, searched) = message.all(|| Some((instance?, account?, searched?)))?;
    let page = CountedPageRequest { skip: u64::from(number - 1) * u64::from(size), size };
    let CountedPage { items, total } = match account {
        Some(account) => {
            let name = SubjectName::account(instance, account);
            let account = service.describe_subject(call, None, name).await?.subject;
            let found = account.name.key().contains(&searched).then_some(account);
            let total = u64::from(found.is_some());
            CountedPage { items: found.filter(|_| page.skip == 0).into_iter().collect(), total }
        }
        None => service.list_accounts(call, None, instance, &searched, page).await?,
    };
    let accounts = items.into_iter().map(described).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "Accounts": { "Account": accounts },
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": total,
    }))
}

/// A part of an account's name, or nothing.
fn part_of_name(text: String) -> Result<String, FieldProblem> {
    let is_possible = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let problem = FieldProblem::Malformed { expected: "must be a part of a name: a-z 0-9 _" };
    if text.chars().all(is_possible) { Ok(text) } else { Err(problem) }
}

fn described(subject: Subject) -> Result<Value, ServiceError> {
    let (
        SubjectName::InstanceAccount(InstanceAccountName { instance, account }),
        SubjectAttributes::InstanceAccount(attributes),
    ) = (subject.name, subject.attributes)
    else {
        return Err(ServiceError::Internal("a subject of another kind than was asked for"));
    };
    Ok(json!({
        "InstanceId": instance.as_str(),
        "AccountName": account.as_str(),
        "AccountStatus": camel_case(attributes.status.as_str()),
        "AccountType": "Normal",
    }))
}
