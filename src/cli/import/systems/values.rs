//! Values in JSON, as the readers of other systems' files find them.

use std::io;

use serde_json::{Deserializer, Value};

use super::{Account, Accounts, Entry};
use crate::cli::import::source::Input;
use crate::domain::text::BYTE_ORDER_MARK;

/// Accounts from JSON: one document, or several after each other. `lists` are the names under which a document has its
/// accounts. Of what is there, `account` reads those that `is_account` finds to be one.
pub(super) fn accounts(
    mut input: Input,
    lists: &[&str],
    is_account: fn(&Value) -> bool,
    account: fn(u64, Value) -> Account,
) -> Accounts {
    let mut found = Vec::new();
    let read = skip_byte_order_mark(&mut input).and_then(|()| {
        for document in Deserializer::from_reader(input).into_iter::<Value>() {
            collect(document?, lists, &mut found);
        }
        Ok(())
    });
    if let Err(error) = read {
        return Box::new(std::iter::once(Err(error)));
    }
    let entry = move |(number, value): (u64, Value)| {
        let is_object = value.is_object();
        let unreadable = || Entry::Unreadable(number, "is not a JSON object".to_owned());
        Ok(if is_object { Entry::Account(account(number, value)) } else { unreadable() })
    };
    Box::new((1..).zip(found).filter(move |(_, value)| is_account(value)).map(entry))
}

fn skip_byte_order_mark(input: &mut Input) -> io::Result<()> {
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}

/// Finds the accounts of a document: its elements if it is a list, those under one of the names of lists if it has one,
/// or else the document itself.
fn collect(document: Value, lists: &[&str], found: &mut Vec<Value>) {
    match document {
        Value::Array(elements) => elements.into_iter().for_each(|element| collect(element, lists, found)),
        Value::Object(mut object) => {
            let mut is_account = true;
            for list in lists {
                if let Some(inner) = object.remove(*list) {
                    is_account = false;
                    collect(inner, lists, found);
                }
            }
            if is_account {
                found.push(Value::Object(object));
            }
        }
        other => found.push(other),
    }
}

/// The text at a path of names and places in lists, separated by dots. Where the path ends at a list, its first element.
pub(super) fn text_at(value: &Value, path: &str) -> Option<String> {
    // A name may have dots itself.
    match step(value, path).or_else(|| path.split('.').try_fold(value, step))? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) => list.first()?.as_str().map(str::to_owned),
        _ => None,
    }
}

fn step<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => object.get(name),
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The value at a path of names.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// The names of an account's fields.
pub(super) fn names(fields: &Value) -> Vec<&str> {
    fields.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// A time in milliseconds since 1970, as it is written in a row.
pub(super) fn of_millis(millis: &Value) -> Option<String> {
    let millis = millis.as_i64().or_else(|| millis.as_str()?.parse().ok()).filter(|millis| *millis > 0)?;
    let nanos = i32::try_from(millis % 1000).ok()? * 1_000_000;
    Some(prost_types::Timestamp { seconds: millis / 1000, nanos }.to_string())
}
