//! The accounts of Tair's instances.

use serde_json::{Value, json};

use super::Outcome;
use crate::domain::names::{AccountName, InstanceId};
use crate::domain::page::PageRequest;
use crate::domain::password::NewPassword;
use crate::domain::subject::{InstanceAccountName, SubjectAttributes, SubjectKind, SubjectName};
use crate::http::message::{Message, camel_case};
use crate::ports::store::SubjectEntry;
use crate::service::requests::{Reset, WantedPassword};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn reset_account_password(service: &Service, call: Call, mut message: Message) -> Outcome {
    let instance = message.take("instance_id", |text| InstanceId::parse(&text));
    let account = message.take("account_name", |text| AccountName::parse(&text));
    let password = message.take("account_password", NewPassword::parse);
    let reset = message.all(|| {
        let (name, wanted) = (SubjectName::account(instance?, account?), WantedPassword::Given(password?));
        Some(Reset { name, wanted, is_temporary: false, expected_version: None })
    })?;
    service.reset_password(call, None, reset).await?;
    Ok(json!({}))
}

/// One account, or a page of all of an instance. The vendor counts pages and accounts, so all are read.
pub(super) async fn describe_accounts(service: &Service, call: Call, mut message: Message) -> Outcome {
    let instance = message.take("instance_id", |text| InstanceId::parse(&text));
    let account =
        message.take("account_name", |text| (!text.is_empty()).then(|| AccountName::parse(&text)).transpose());
    let searched = message.take("search_account_name", Ok).unwrap_or_default();
    let number = message.scalar::<usize>("page_number").unwrap_or(1).max(1);
    let size = message.scalar::<usize>("page_size").map(|size| size.max(1));
    let (instance, account) = message.all(|| Some((instance?, account?)))?;
    let entries = match account {
        Some(account) => vec![service.describe_subject(call, None, SubjectName::account(instance, account)).await?],
        None => all(service, call, &instance).await?,
    };
    let found = entries.into_iter().filter(|entry| entry.subject.name.as_written().contains(&searched));
    let accounts = found.map(described).collect::<Result<Vec<_>, _>>()?;
    let total = accounts.len();
    let size = size.unwrap_or(total.max(1));
    let page: Vec<_> = accounts.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    Ok(json!({
        "Accounts": { "Account": page },
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": total,
    }))
}

async fn all(service: &Service, call: Call, instance: &InstanceId) -> Result<Vec<SubjectEntry>, ServiceError> {
    let mut entries = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest { size: PageRequest::MAX_SIZE, after };
        let kind = SubjectKind::InstanceAccount;
        let page = service.list_subjects(call.clone(), None, kind, Some(instance.clone()), page).await?;
        entries.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(entries),
        }
    }
}

fn described(SubjectEntry { subject, .. }: SubjectEntry) -> Result<Value, ServiceError> {
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
