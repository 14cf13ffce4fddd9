//! Identities of Ory Kratos, with their credentials.

use serde_json::Value;

use super::values::{self, at};
use super::{Account, Accounts, LOCKED};
use crate::cli::import::source::Input;

pub(super) fn accounts(input: Input) -> Accounts {
    values::accounts(input, &["identities"], |_| true, account)
}

fn account(number: u64, fields: Value) -> Account {
    let password = at(&fields, &["credentials", "password"]);
    let hash = match at(password, &["config", "hashed_password"]).as_str() {
        _ if at(&fields, &["state"]) == "inactive" => Ok(LOCKED.to_owned()),
        Some(hash) => Ok(hash.to_owned()),
        None if password.is_object() => {
            Err("it has a password without its hash: ask for the identities with include_credential=password"
                .to_owned())
        }
        None => Ok(String::new()),
    };
    let changed = at(password, &["updated_at"]).as_str().map(str::to_owned);
    Account { number, hash, changed, fields }
}
