//! Tables of users as CSV, with the names of the columns in the first line.

use serde_json::{Map, Value};

use super::{Account, Accounts, Entry, LOCKED};
use crate::cli::import::row::trimmed;
use crate::cli::import::source::Input;

/// Django's `auth_user`, or the table of another model of users.
pub(super) fn django(input: Input) -> Accounts {
    accounts(input, "password", |user| {
        let is_active = user.get("is_active").and_then(Value::as_str).unwrap_or_default();
        ["f", "false", "0"].contains(&is_active.to_ascii_lowercase().as_str())
    })
}

/// `WordPress`' `wp_users`.
pub(super) fn wordpress(input: Input) -> Accounts {
    accounts(input, "user_pass", |_| false)
}

/// The accounts of a table whose hashes are in that column.
fn accounts(input: Input, hashes: &'static str, is_disabled: fn(&Map<String, Value>) -> bool) -> Accounts {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(|name| trimmed(name).to_owned()).collect(),
        Err(error) => return Box::new(std::iter::once(Err(error.into()))),
    };
    if !columns.iter().any(|column| column == hashes) {
        let why = format!("the first line names no column {hashes:?}: export the table with its column names");
        return Box::new(std::iter::once(Err(std::io::Error::other(why))));
    }
    records(reader, move |number, record| {
        if record.len() != columns.len() {
            let why = format!("has {} values for {} columns", record.len(), columns.len());
            return Entry::Unreadable(number, why);
        }
        let values = record.iter().map(|value| Value::from(trimmed(value)));
        let user: Map<_, _> = columns.iter().cloned().zip(values).collect();
        let hash = user.get(hashes).and_then(Value::as_str).unwrap_or_default();
        let hash = if is_disabled(&user) { LOCKED } else { hash }.to_owned();
        Entry::Account(Account { number, hash: Ok(hash), changed: None, fields: Value::Object(user) })
    })
}

/// What is found in each record of a CSV file.
pub(super) fn records(
    reader: csv::Reader<Input>,
    entry: impl Fn(u64, &csv::StringRecord) -> Entry + Send + 'static,
) -> Accounts {
    let found = move |(number, record): (u64, Result<csv::StringRecord, csv::Error>)| match record {
        Ok(record) => Ok(entry(number, &record)),
        Err(error) if error.is_io_error() => Err(error.into()),
        Err(_) => Ok(Entry::Unreadable(number, "is not UTF-8".to_owned())),
    };
    Box::new((1..).zip(reader.into_records()).map(found))
}
