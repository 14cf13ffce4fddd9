//! Builds a request from flags.

use clap::ArgMatches;
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, MessageDescriptor, Value};
use prost_types::Duration;

use super::argument::{Argument, Form};
use super::schema::{Schema, word};
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;

/// Builds the request. Sets the fields that flags name, and the tenant, if none is named and there is a default.
pub(super) fn build(
    descriptor: &MessageDescriptor,
    matches: &ArgMatches,
    tenant: Option<&str>,
    terminal: &mut Terminal,
) -> Result<DynamicMessage, Failure> {
    let schema = Schema::load();
    let mut request = DynamicMessage::new(descriptor.clone());
    let tenant = tenant.filter(|_| !is_of_operators(matches)).map(|tenant| Value::String(tenant.to_owned()));
    for argument in Argument::all_of(descriptor) {
        let by_default = || tenant.clone().filter(|_| argument.is_optional_tenant(&schema));
        if let Some(value) = value_of(&argument, matches, terminal)?.or_else(by_default) {
            set(&mut request, &argument.path, value).map_err(Failure::failed)?;
        }
    }
    Ok(request)
}

/// Whether the request is about an operator's token, which has no tenant.
fn is_of_operators(matches: &ArgMatches) -> bool {
    matches.try_get_one::<String>("caller-kind").ok().flatten().is_some_and(|kind| kind == "operator")
}

fn value_of(argument: &Argument, matches: &ArgMatches, terminal: &mut Terminal) -> Result<Option<Value>, Failure> {
    let name = argument.name();
    Ok(match &argument.form {
        Form::Secret if matches.get_flag(&name) => Some(Value::String(terminal.new_secret(true)?)),
        Form::Switch if matches.get_flag(&name) => Some(Value::Bool(true)),
        Form::Secret | Form::Switch => None,
        Form::Text => matches.get_one::<String>(&name).cloned().map(Value::String),
        Form::Texts => {
            matches.get_many::<String>(&name).map(|texts| Value::List(texts.cloned().map(Value::String).collect()))
        }
        Form::Flag => matches.get_one(&name).copied().map(Value::Bool),
        Form::Number => matches.get_one(&name).copied().map(Value::U32),
        Form::LongNumber => matches.get_one(&name).copied().map(Value::U64),
        Form::Choice(choices) => matches
            .get_one::<String>(&name)
            .and_then(|chosen| choices.values().find(|value| word(value) == *chosen))
            .map(|value| Value::EnumNumber(value.number())),
        Form::Pairs => matches.get_many::<(String, String)>(&name).map(|pairs| {
            Value::Map(pairs.cloned().map(|(key, value)| (MapKey::String(key), Value::String(value))).collect())
        }),
        Form::Duration(descriptor) => match matches.get_one(&name) {
            Some(&seconds) => Some(duration(descriptor, seconds)?),
            None => None,
        },
    })
}

fn duration(descriptor: &MessageDescriptor, seconds: i64) -> Result<Value, Failure> {
    let mut message = DynamicMessage::new(descriptor.clone());
    message.transcode_from(&Duration { seconds, nanos: 0 }).map_err(Failure::failed)?;
    Ok(Value::Message(message))
}

fn set(
    message: &mut DynamicMessage,
    path: &[FieldDescriptor],
    value: Value,
) -> Result<(), prost_reflect::SetFieldError> {
    match path {
        [] => Ok(()),
        [field] => message.try_set_field(field, value),
        [field, rest @ ..] => match message.get_field_mut(field) {
            Value::Message(inner) => set(inner, rest, value),
            _ => Ok(()),
        },
    }
}
