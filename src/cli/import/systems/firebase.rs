//! What `firebase auth:export` writes: JSON, or CSV without names of columns.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::values::{self, at};
use super::{Account, Accounts, Entry, LOCKED};
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
    let entry = |(number, record): (u64, Result<csv::StringRecord, csv::Error>)| {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(_) => return Ok(Entry::Unreadable(number, "is not UTF-8".to_owned())),
        };
        let fields = COLUMNS.iter().zip(&record).map(|(name, value)| ((*name).to_owned(), value.trim().into()));
        Ok(Entry::Account(account(number, Value::Object(fields.collect::<Map<_, _>>()))))
    };
    Box::new((1..).zip(reader.into_records()).map(entry))
}

fn account(number: u64, fields: Value) -> Account {
    let text = |name: &str| at(&fields, &[name]).as_str().unwrap_or_default();
    let hash = match (text("passwordHash"), text("salt")) {
        _ if at(&fields, &["disabled"]) == true => Ok(LOCKED.to_owned()),
        ("", _) => Ok(String::new()),
        (hash, salt) => Ok(format!("$fbscrypt${salt}${hash}")),
    };
    Account { number, hash, changed: None, fields }
}
