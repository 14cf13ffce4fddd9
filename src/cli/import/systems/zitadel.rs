//! Exports of ZITADEL's admin API: the people of each organization.

use serde_json::Value;

use super::values::{self, at};
use super::{Account, Accounts};
use crate::cli::import::source::Input;

pub(super) fn accounts(input: Input) -> Accounts {
    values::accounts(input, &["dataOrgs", "data_orgs", "orgs", "humanUsers", "human_users"], is_person, account)
}

/// An organization without people is no account.
fn is_person(fields: &Value) -> bool {
    fields.get("user").is_some()
}

fn account(number: u64, fields: Value) -> Account {
    let user = at(&fields, &["user"]);
    let hash = ["hashedPassword", "hashed_password"].iter().find_map(|name| at(user, &[name, "value"]).as_str());
    let hash = match (hash, user.get("password").and_then(Value::as_str)) {
        (Some(hash), _) => Ok(hash.to_owned()),
        (None, None | Some("")) => Ok(String::new()),
        (None, Some(_)) => Err("it has a password instead of a hash: hash it first, or set it with a reset".to_owned()),
    };
    Account { number, hash, changed: None, fields }
}
