//! A response as JSON: the names of the proto files, the words of flags for enumerations, RFC 3339 times, and absent fields
//! omitted.

use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use prost_types::Timestamp;
use serde_json::{Map, Value as Json};

use super::schema::{is_secret, word};
use crate::domain::text::stands_for_itself;

/// A message on one line. Characters that are not simply displayed are escaped in the values, and do not occur between them.
pub(in crate::cli) fn line(message: &DynamicMessage) -> String {
    let mut line = String::new();
    for character in object(message).to_string().chars() {
        if stands_for_itself(character) {
            line.push(character);
        } else {
            line.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    line
}

/// The time, if the message is a `Timestamp`.
pub(super) fn time(message: &DynamicMessage) -> Option<Timestamp> {
    let is_time = message.descriptor().full_name() == "google.protobuf.Timestamp";
    is_time.then(|| message.transcode_to::<Timestamp>().ok()).flatten()
}

/// Whether to omit a field: it is absent, a secret that was not requested, or an empty page token.
pub(super) fn is_silent(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    let can_be_absent = field.supports_presence() || is_secret(field) || field.name() == "next_page_token";
    can_be_absent && !message.has_field(field)
}

/// A message as JSON.
pub(in crate::cli) fn object(message: &DynamicMessage) -> Json {
    let descriptor = message.descriptor();
    let spoken = descriptor.fields().filter(|field| !is_silent(message, field));
    spoken.map(|field| (field.name().to_owned(), value(&message.get_field(&field), &field.kind()))).collect()
}

fn value(value: &Value, kind: &Kind) -> Json {
    match value {
        Value::Bool(flag) => Json::Bool(*flag),
        Value::I32(number) => Json::from(*number),
        Value::I64(number) => Json::from(*number),
        Value::U32(number) => Json::from(*number),
        Value::U64(number) => Json::from(*number),
        Value::F32(number) => Json::from(*number),
        Value::F64(number) => Json::from(*number),
        Value::String(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => bytes.iter().copied().collect(),
        Value::EnumNumber(number) => name_of(*number, kind.as_enum()),
        Value::Message(message) => time(message).map_or_else(|| object(message), |time| time.to_string().into()),
        Value::List(items) => items.iter().map(|item| self::value(item, kind)).collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, entry)| (key_of(key), self::value(entry, kind))).collect::<Map<_, _>>().into()
        }
    }
}

/// The word for an enumeration's value, as in flags and tables, or its number if only a newer service has a name for it.
fn name_of(number: i32, choices: Option<&EnumDescriptor>) -> Json {
    let known = choices.and_then(|choices| choices.get_value(number));
    known.map_or(Json::from(number), |known| Json::from(word(&known)))
}

fn key_of(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(flag) => flag.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
    }
}
