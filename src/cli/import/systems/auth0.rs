//! Exports of Auth0: what its support writes, with password hashes, and what its import takes.

use serde_json::Value;

use super::values::{self, at};
use super::{Account, Accounts, LOCKED};
use crate::cli::import::source::Input;

pub(super) fn accounts(input: Input) -> Accounts {
    values::accounts(input, &["users"], |_| true, account)
}

fn account(number: u64, fields: Value) -> Account {
    let hash = ["passwordHash", "password_hash"].iter().find_map(|name| at(&fields, &[name]).as_str());
    let custom = at(&fields, &["custom_password_hash"]);
    let hash = match hash {
        _ if at(&fields, &["blocked"]) == true => Ok(LOCKED.to_owned()),
        Some(hash) => Ok(hash.to_owned()),
        None if custom.is_object() => of_custom(custom),
        None => Ok(String::new()),
    };
    let set = at(&fields, &["password_set_date"]);
    let set = set.get("$date").unwrap_or(set);
    let changed = match set.as_str() {
        Some(text) => Some(text.to_owned()),
        None => values::of_millis(set.get("$numberLong").unwrap_or(set)),
    };
    Account { number, hash, changed, fields }
}

/// A hash that was imported there, if it is a string that says all of itself.
fn of_custom(custom: &Value) -> Result<String, String> {
    let value = at(custom, &["hash", "value"]).as_str().filter(|value| value.starts_with(['$', '{']));
    value.map(str::to_owned).ok_or_else(|| {
        let algorithm = at(custom, &["algorithm"]).as_str().unwrap_or_default();
        format!("its custom hash ({algorithm}) is not written as one string, which begins with $ or a brace")
    })
}
