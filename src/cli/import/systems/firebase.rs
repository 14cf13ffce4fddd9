//! What `firebase auth:export` writes: JSON, or CSV without names of columns.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::values::{self, at};
use super::{Account, Accounts, Entry, LOCKED, table};
use crate::cli::import::source::Input;

/// The first columns of the CSV.
const COLUMNS: [&str; 6] = ["localId", "email", "emailVerified", "passwordHash", "salt", "displayName"];

pub(super) fn accounts(mut input: Input) -> Accounts {
    match input.fill_buf() {
        Ok(start) if start.trim_ascii_start().starts_with(b"{") => {
            values::accounts(input, &["users"], |_| true, account)
        }
        Ok(_) => of_csv(input),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn of_csv(input: Input) -> Accounts {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    table::records(reader, |number, record| {
        let fields = COLUMNS.iter().zip(record).map(|(name, value)| ((*name).to_owned(), value.trim().into()));
        Entry::Account(account(number, Value::Object(fields.collect::<Map<_, _>>())))
    })
}

fn account(number: u64, fields: Value) -> Account {
    let text = |name: &str| at(&fields, &[name]).as_str().unwrap_or_default();
    let hash = match (text("passwordHash"), text("salt")) {
        _ if at(&fields, &["disabled"]) == true => Ok(LOCKED.to_owned()),
        ("", _) => Ok(String::new()),
        (hash, salt) => Ok(format!("{{firebase}}{salt}${hash}")),
    };
    Account { number, hash, changed: None, fields }
}
