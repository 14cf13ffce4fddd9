//! Values in JSON, as the readers of other systems' files find them.

use std::fmt;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Account, Accounts, Entry};
use crate::cli::import::source::Input;
use crate::domain::text::BYTE_ORDER_MARK;

/// Accounts that are read ahead of the import.
const READ_AHEAD: usize = 256;

/// Accounts from JSON: one document, or several after each other. `lists` are the names under which a document has its
/// accounts. Of what is there, `account` reads those that `is_account` finds to be one.
///
/// A thread reads the file as far as accounts are taken, so that not all of it is in memory.
pub(super) fn accounts(
    mut input: Input,
    lists: &'static [&'static str],
    is_account: fn(&Value) -> bool,
    account: fn(u64, Value) -> Account,
) -> Accounts {
    let (found, accounts) = sync_channel(READ_AHEAD);
    let read = move || {
        let elements = Found { lists, found: &found };
        let read = skip_byte_order_mark(&mut input).and_then(|()| {
            let mut documents = serde_json::Deserializer::from_reader(input);
            while documents.end().is_err() {
                elements.deserialize(&mut documents)?;
            }
            Ok(())
        });
        if let Err(error) = read {
            // If no more accounts are taken, the error is not wanted either.
            let _ = found.send(Err(error));
        }
    };
    if let Err(error) = thread::Builder::new().name("json".to_owned()).spawn(read) {
        return Box::new(std::iter::once(Err(error)));
    }
    Box::new((1..).zip(accounts).filter_map(move |(number, value)| match value {
        Ok(value) if !is_account(&value) => None,
        Ok(value @ Value::Object(_)) => Some(Ok(Entry::Account(account(number, value)))),
        Ok(_) => Some(Ok(Entry::Unreadable(number, "is not a JSON object".to_owned()))),
        Err(error) => Some(Err(error)),
    }))
}

fn skip_byte_order_mark(input: &mut Input) -> io::Result<()> {
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}

/// Sends the accounts of a document as they are found: its elements if it is a list, those under one of the names of lists
/// if it has one, or else the document itself. Null stands for what is no object.
#[derive(Clone, Copy)]
struct Found<'a> {
    lists: &'static [&'static str],
    found: &'a SyncSender<io::Result<Value>>,
}

impl Found<'_> {
    fn one<E: Error>(self, value: Value) -> Result<(), E> {
        self.found.send(Ok(value)).map_err(|_| E::custom("no more accounts are taken"))
    }
}

impl<'de> DeserializeSeed<'de> for Found<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Found<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("accounts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut fields = Some(Map::new());
        while let Some(name) = object.next_key::<String>()? {
            match &mut fields {
                _ if self.lists.contains(&name.as_str()) => {
                    fields = None;
                    object.next_value_seed(self)?;
                }
                Some(fields) => drop(fields.insert(name, object.next_value()?)),
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        fields.map_or(Ok(()), |fields| self.one(Value::Object(fields)))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.one(Value::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.visit_unit()
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
