//! The names alone of what a response is about.

use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};

/// The name of each item of a list, or that of the one object; none if the response has neither.
pub(super) fn of(response: &DynamicMessage) -> Vec<String> {
    let descriptor = response.descriptor();
    let object = descriptor.fields().find(|field| matches!(field.kind(), Kind::Message(_)));
    let Some(object) = object else { return Vec::new() };
    match response.get_field(&object).as_ref() {
        Value::List(items) => items.iter().filter_map(|item| name(item.as_message()?)).collect(),
        Value::Message(message) if response.has_field(&object) => name(message).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The name of an object is its first text, except that an account has its instance before.
fn name(object: &DynamicMessage) -> Option<String> {
    let descriptor = object.descriptor();
    let of_account = descriptor.get_field_by_name("account_name");
    let field = of_account.or_else(|| descriptor.fields().find(|field| field.kind() == Kind::String))?;
    object.get_field(&field).as_str().map(str::to_owned)
}
