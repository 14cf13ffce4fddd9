//! A response as a table, for people.

use comfy_table::Table;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

use super::json;
use super::schema::{is_secret, word};
use crate::cli::table::{plain, trimmed};
use crate::domain::text::printable;

/// Shown for an absent value.
const ABSENT: &str = "-";

/// The text of a response: a row for each item of a list; then, or without a list, a row for each field.
pub(super) fn text(response: &DynamicMessage) -> String {
    let items = response.descriptor().fields().find(|field| field.is_list() && field.kind().as_message().is_some());
    let Some(items) = items else { return one(response) };
    let list = match response.get_field(&items).as_list() {
        None | Some([]) => "none".to_owned(),
        Some(list) => many(list.iter().filter_map(Value::as_message)),
    };
    let mut rest = response.clone();
    rest.clear_field(&items);
    let rest = cells(&rest).into_iter().filter(|(name, _)| name != items.name());
    let rest = rows(rest);
    if rest.is_empty() { list } else { format!("{list}\n\n{}", trimmed(&rest)) }
}

fn many<'a>(items: impl Iterator<Item = &'a DynamicMessage>) -> String {
    let rows: Vec<_> = items.map(cells).collect();
    let heading = rows.first().into_iter().flatten().map(|(name, _)| name.replace('_', " ").to_uppercase());
    let mut table = plain();
    table.set_header(heading.collect::<Vec<_>>());
    table.add_rows(rows.iter().map(|row| row.iter().map(|(_, value)| value)));
    trimmed(&table)
}

fn one(message: &DynamicMessage) -> String {
    let table = rows(cells(message).into_iter());
    let secret = message.descriptor().fields().find(|field| is_secret(field) && message.has_field(field));
    match secret {
        _ if table.is_empty() => "done".to_owned(),
        Some(secret) => format!("{}\n\nThe {} is not shown again.", trimmed(&table), secret.name().replace('_', " ")),
        None => trimmed(&table),
    }
}

fn rows(cells: impl Iterator<Item = (String, String)>) -> Table {
    let mut table = plain();
    table.add_rows(cells.map(|(name, value)| [name.replace('_', " "), value]));
    table
}

/// The fields with their values. Nested messages are flattened; if there are several of one type, their fields get the
/// name of the message's field as prefix.
fn cells(message: &DynamicMessage) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    for field in message.descriptor().fields() {
        let is_hidden = field.name() == "next_page_token" || is_secret(&field) && !message.has_field(&field);
        match message.get_field(&field).as_ref() {
            _ if is_hidden => {}
            Value::Message(inner) if !is_time(&field) => {
                let absent = !message.has_field(&field);
                let alike = message.descriptor().fields().filter(|other| other.kind() == field.kind()).count();
                for (name, value) in self::cells(inner) {
                    let name = if alike > 1 { format!("{}_{name}", field.name()) } else { name };
                    cells.push((name, if absent { ABSENT.to_owned() } else { value }));
                }
            }
            value => {
                let shown =
                    if json::is_silent(message, &field) { ABSENT.to_owned() } else { shown(value, &field.kind()) };
                cells.push((field.name().to_owned(), shown));
            }
        }
    }
    cells
}

fn is_time(field: &FieldDescriptor) -> bool {
    field.kind().as_message().is_some_and(|message| message.full_name() == "google.protobuf.Timestamp")
}

/// A value on one line, without terminal control characters.
fn shown(value: &Value, kind: &Kind) -> String {
    let text = match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::EnumNumber(number) => {
            let known = kind.as_enum().and_then(|choices| choices.get_value(*number));
            known.map_or_else(|| number.to_string(), |known| word(&known))
        }
        Value::Message(message) => json::time(message).map(|time| time.to_string()).unwrap_or_default(),
        Value::Map(entries) => {
            let mut pairs: Vec<_> = entries
                .iter()
                .filter_map(|(key, value)| Some(format!("{}={}", key.as_str()?, value.as_str()?)))
                .collect();
            pairs.sort();
            pairs.join(", ")
        }
        Value::List(items) if items.is_empty() => ABSENT.to_owned(),
        Value::List(items) => items.iter().map(|item| item_of(item, kind)).collect::<Vec<_>>().join(", "),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        other => other.to_string(),
    };
    printable(&text)
}

/// An item of a nested list: for a message, its values one after the other.
fn item_of(item: &Value, kind: &Kind) -> String {
    match item {
        Value::Message(message) => cells(message).into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" "),
        item => shown(item, kind),
    }
}
