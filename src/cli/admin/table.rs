//! A response as a table, for people.

use comfy_table::Table;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use unicode_width::UnicodeWidthStr;
use uuid::Uuid;

use super::json;
use super::schema::{is_secret, word};
use crate::cli::table::{Layout, plain, trimmed};
use crate::domain::text::printable;

/// Shown for an absent value.
const ABSENT: &str = "-";
/// Spaces between two columns.
const BETWEEN: usize = 2;

/// A value as it is, and as short as it can be understood.
struct Cell {
    full: String,
    short: String,
}

/// The text of a response: a row for each item of a list; then, or without a list, a row for each field.
pub(super) fn text(response: &DynamicMessage, layout: Layout) -> String {
    let items = response.descriptor().fields().find(|field| field.is_list() && field.kind().as_message().is_some());
    let Some(items) = items else { return one(response, layout) };
    let list = match response.get_field(&items).as_list() {
        None | Some([]) => "none".to_owned(),
        Some(list) => many(list.iter().filter_map(Value::as_message), layout),
    };
    let mut rest = response.clone();
    rest.clear_field(&items);
    let rest = cells(&rest).into_iter().filter(|(name, _)| name != items.name());
    let rest = rows(rest.collect(), layout);
    if rest.is_empty() { list } else { format!("{list}\n\n{}", trimmed(&rest)) }
}

/// A row for each item. Where the terminal is too narrow, values are short, and columns are left out: first those without a
/// value, then from the last one on.
fn many<'a>(items: impl Iterator<Item = &'a DynamicMessage>, layout: Layout) -> String {
    let rows: Vec<_> = items.map(cells).collect();
    let names: Vec<_> = rows.first().into_iter().flatten().map(|(name, _)| name.replace('_', " ")).collect();
    let table = |columns: &[usize], value: fn(&Cell) -> &str| {
        let mut table = plain();
        let heading = columns.iter().filter_map(|column| names.get(*column));
        table.set_header(heading.map(|name| name.to_uppercase()));
        table.add_rows(rows.iter().map(|row| {
            let cells = columns.iter().enumerate().filter_map(|(place, column)| Some((place, &row.get(*column)?.1)));
            // The first column is the name, which other commands need.
            cells.map(|(place, cell)| if place == 0 { cell.full.as_str() } else { value(cell) }).collect::<Vec<_>>()
        }));
        trimmed(&table)
    };
    let all: Vec<_> = (0..names.len()).collect();
    let full = table(&all, |cell| &cell.full);
    if layout.fits(&full) {
        return layout.headed(&full);
    }
    let has_value =
        |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|(_, cell)| cell.full != ABSENT));
    let mut columns: Vec<_> = all.into_iter().filter(has_value).collect();
    loop {
        let narrow = table(&columns, |cell| &cell.short);
        if layout.fits(&narrow) || columns.len() < 2 {
            return format!("{}\n\n{}", layout.headed(&narrow), layout.wrapped("--wide shows more", 0));
        }
        columns.pop();
    }
}

fn one(message: &DynamicMessage, layout: Layout) -> String {
    let table = rows(cells(message), layout);
    let secret = message.descriptor().fields().find(|field| is_secret(field) && message.has_field(field));
    match secret {
        _ if table.is_empty() => "done".to_owned(),
        Some(secret) => format!("{}\n\nThe {} is not shown again.", trimmed(&table), secret.name().replace('_', " ")),
        None => trimmed(&table),
    }
}

fn rows(cells: Vec<(String, Cell)>, layout: Layout) -> Table {
    let longest = cells.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let mut table = plain();
    table.add_rows(
        cells
            .into_iter()
            .map(|(name, cell)| [name.replace('_', " "), layout.wrapped(&cell.full, longest.saturating_add(BETWEEN))]),
    );
    table
}

/// The fields with their values. Nested messages are flattened; if there are several of one type, their fields get the
/// name of the message's field as prefix.
fn cells(message: &DynamicMessage) -> Vec<(String, Cell)> {
    let mut cells = Vec::new();
    for field in message.descriptor().fields() {
        let is_hidden = field.name() == "next_page_token" || is_secret(&field) && !message.has_field(&field);
        match message.get_field(&field).as_ref() {
            _ if is_hidden => {}
            Value::Message(inner) if !is_time(&field) => {
                let absent = !message.has_field(&field);
                let alike = message.descriptor().fields().filter(|other| other.kind() == field.kind()).count();
                for (name, cell) in self::cells(inner) {
                    let name = if alike > 1 { format!("{}_{name}", field.name()) } else { name };
                    cells.push((name, if absent { Cell::of(ABSENT.to_owned()) } else { cell }));
                }
            }
            value => {
                let cell = match value {
                    _ if json::is_silent(message, &field) => Cell::of(ABSENT.to_owned()),
                    value => Cell::of(shown(value, &field.kind())).shortened(&field),
                };
                cells.push((field.name().to_owned(), cell));
            }
        }
    }
    cells
}

impl Cell {
    fn of(full: String) -> Self {
        Self { short: full.clone(), full }
    }

    /// A time without its seconds, and the beginning of an id.
    fn shortened(self, field: &FieldDescriptor) -> Self {
        let part = |length| self.full.get(..length).map(str::to_owned);
        let short = if is_time(field) {
            part("2026-01-01T00:00".len()).map(|time| time.replace('T', " "))
        } else if Uuid::try_parse(&self.full).is_ok() {
            part("00000000".len()).map(|start| start + "…")
        } else {
            None
        };
        Self { short: short.unwrap_or(self.short), full: self.full }
    }
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
        Value::Message(message) => cells(message).into_iter().map(|(_, cell)| cell.full).collect::<Vec<_>>().join(" "),
        item => shown(item, kind),
    }
}
