//! The fields of a request as flags.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgGroup, value_parser};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use super::schema::{Schema, is_secret, kebab, word};

/// A field of a request, or of a message within it, that a flag sets.
pub(super) struct Argument {
    /// The fields that lead from the request to it; the last one is its own.
    pub(super) path: Vec<FieldDescriptor>,
    /// How it is written.
    pub(super) form: Form,
}

/// Fields that have to be set wherever their comments do not say what their absence means.
const REQUIRED: [&str; 14] = [
    "account_name",
    "account_password",
    "account_status",
    "caller_kind",
    "domain_name",
    "encoded_message",
    "instance_id",
    "nodes",
    "password",
    "status",
    "tenant",
    "token_id",
    "user_id",
    "user_name",
];

/// How a value is written on the command line.
pub(super) enum Form {
    /// As it is.
    Text,
    /// As it is, as often as needed.
    Texts,
    /// Not on the command line: it is read from standard input.
    Secret,
    /// As a flag without a value, for a `bool` in a `oneof`: only `true` chooses it.
    Switch,
    /// `true` or `false`.
    Flag,
    /// A whole number of 32 bits.
    Number,
    /// A whole number of 64 bits.
    LongNumber,
    /// One of the words for the enumeration's values.
    Choice(EnumDescriptor),
    /// `KEY=VALUE`, as often as needed.
    Pairs,
    /// A number with its unit, as in `90d`.
    Duration(MessageDescriptor),
}

impl Argument {
    /// The arguments of a request. Fields of nested messages are flattened.
    pub(super) fn all_of(request: &MessageDescriptor) -> Vec<Self> {
        let mut arguments = Vec::new();
        collect(request, &[], &mut arguments);
        arguments
    }

    /// The name of the flag, and its id.
    pub(super) fn name(&self) -> String {
        let name = self.field().map(|field| kebab(field.name())).unwrap_or_default();
        match self.form {
            Form::Secret => "password-stdin".to_owned(),
            Form::Pairs | Form::Texts => name.trim_end_matches('s').to_owned(),
            _ => name,
        }
    }

    /// Whether it names the tenant, and may be left out.
    pub(super) fn is_optional_tenant(&self, schema: &Schema) -> bool {
        self.field().is_some_and(|field| field.name() == "tenant") && !self.is_required(schema)
    }

    /// Whether a request without it is refused: it names what the request is about, and its comment does not say what its
    /// absence means. `tests/it/process/usage.rs` compares this with the service.
    pub(super) fn is_required(&self, schema: &Schema) -> bool {
        let [field] = &self.path[..] else { return false };
        let is_alone = field.containing_oneof().is_none() && !field.supports_presence();
        let can_be_left_out = ["Empty means", "Empty for", "Unspecified means", "Optional", "optional"];
        let is_said_to = || can_be_left_out.iter().any(|words| comment(field, schema).contains(words));
        REQUIRED.contains(&field.name()) && is_alone && !is_said_to()
    }

    /// Whether the flag sets the field or a part of it.
    #[cfg(test)]
    pub(super) fn begins_with(&self, field: &FieldDescriptor) -> bool {
        self.path.first() == Some(field)
    }

    /// The flag, which conflicts with its alternatives among `all`.
    pub(super) fn flag(&self, schema: &Schema, all: &[Self]) -> Arg {
        let comment = self.field().map(|field| comment(field, schema)).unwrap_or_default();
        let flag = Arg::new(self.name()).long(self.name()).help(comment.trim_end_matches('.').to_owned());
        let flag = flag.required(self.is_required(schema));
        let flag =
            all.iter().filter(|other| self.excludes(other)).fold(flag, |flag, other| flag.conflicts_with(other.name()));
        let flag = all.iter().filter(|other| self.needs(other)).fold(flag, |flag, other| flag.requires(other.name()));
        let value = |name: &'static str| flag.clone().value_name(name).allow_hyphen_values(true);
        match &self.form {
            Form::Text => value("TEXT"),
            Form::Texts => value("TEXT").action(ArgAction::Append),
            Form::Secret => flag
                .action(ArgAction::SetTrue)
                .help(format!("{comment} Read from standard input, without a final line end")),
            Form::Switch => flag
                .action(ArgAction::SetTrue)
                .help(comment.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()),
            Form::Flag => value("true|false").value_parser(value_parser!(bool)).hide_possible_values(true),
            Form::Number => value("NUMBER").value_parser(value_parser!(u32)),
            Form::LongNumber => value("NUMBER").value_parser(value_parser!(u64)),
            Form::Choice(choices) => value("WORD").value_parser(words(choices, schema)),
            Form::Pairs => value("KEY=VALUE").action(ArgAction::Append).value_parser(pair),
            Form::Duration(_) => {
                value("DURATION").value_parser(duration).help(format!("{comment} Written as in 90d, 12h, 30m or 60s"))
            }
        }
    }

    fn field(&self) -> Option<&FieldDescriptor> {
        self.path.last()
    }

    /// Whether the two are parts of one choice of a `oneof`, which is nothing without the other.
    fn needs(&self, other: &Self) -> bool {
        let part = |argument: &Self| Some((argument.path.iter().nth_back(1)?.clone(), argument.name()));
        let (Some((whole, name)), Some((others, other))) = (part(self), part(other)) else { return false };
        whole == others && name != other && choice(&whole).is_some()
    }

    /// Whether the two are different choices of one `oneof`, so that only one can be given.
    fn excludes(&self, other: &Self) -> bool {
        self.path.iter().filter_map(choice).any(|(oneof, field)| {
            other.path.iter().filter_map(choice).any(|(others, chosen)| oneof == others && field != chosen)
        })
    }
}

/// The groups of flags of which one has to be given: those that name a subject, and the choices of a `oneof` that has to be
/// chosen.
pub(super) fn groups(request: &MessageDescriptor, schema: &Schema, all: &[Argument]) -> Vec<ArgGroup> {
    let group = |name: &str, arguments: &mut dyn Iterator<Item = &Argument>| {
        ArgGroup::new(name.to_owned()).args(arguments.map(Argument::name)).required(true).multiple(true)
    };
    let is_of = |argument: &&Argument, name: &str| argument.path.first().is_some_and(|field| field.name() == name);
    let of_subject = |argument: &&Argument| is_of(argument, "subject") && argument.name() != "instance-id";
    let subject = request.get_field_by_name("subject");
    let subject = subject.map(|field| group(field.name(), &mut all.iter().filter(of_subject)));
    let has_to_be =
        |oneof: &OneofDescriptor| schema.comment(&request.parent_file(), oneof.path()).contains("must be given");
    let oneofs = request.oneofs().filter(has_to_be).map(|oneof| {
        let is_choice = |argument: &&Argument| oneof.fields().any(|field| is_of(argument, field.name()));
        group(oneof.name(), &mut all.iter().filter(is_choice))
    });
    subject.into_iter().chain(oneofs).collect()
}

fn comment(field: &FieldDescriptor, schema: &Schema) -> String {
    schema.comment(&field.parent_message().parent_file(), field.path())
}

/// The `oneof` that a field is a choice of, and the field's name.
fn choice(field: &FieldDescriptor) -> Option<(String, &str)> {
    let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic())?;
    Some((oneof.full_name().to_owned(), field.name()))
}

fn collect(message: &MessageDescriptor, before: &[FieldDescriptor], arguments: &mut Vec<Argument>) {
    for field in message.fields().filter(|field| !matches!(field.name(), "page_size" | "page_token")) {
        let path = [before, std::slice::from_ref(&field)].concat();
        let form = match field.kind() {
            _ if field.is_map() => Form::Pairs,
            Kind::String if field.is_list() => Form::Texts,
            _ if is_secret(&field) => Form::Secret,
            Kind::Message(message) if message.full_name() != "google.protobuf.Duration" => {
                collect(&message, &path, arguments);
                continue;
            }
            Kind::Message(message) => Form::Duration(message),
            Kind::Bool if choice(&field).is_some() => Form::Switch,
            Kind::Bool => Form::Flag,
            Kind::Uint32 => Form::Number,
            Kind::Uint64 => Form::LongNumber,
            Kind::Enum(choices) => Form::Choice(choices),
            _ => Form::Text,
        };
        arguments.push(Argument { path, form });
    }
}

/// The words for an enumeration's values, without the unspecified one: an omitted flag means that.
fn words(choices: &EnumDescriptor, schema: &Schema) -> PossibleValuesParser {
    let specified = choices.values().filter(|value| value.number() != 0);
    PossibleValuesParser::new(specified.map(|value| {
        let comment = schema.comment(&choices.parent_file(), value.path());
        PossibleValue::new(word(&value)).help(comment.trim_end_matches('.').to_owned())
    }))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("a key, `=` and a value are expected")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Parses a number with its unit into seconds. Not `humantime`, which also takes months of 30.44 days and milliseconds.
fn duration(text: &str) -> Result<i64, String> {
    let seconds = || {
        let unit = text.chars().last()?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        let count = text.strip_suffix(unit)?.parse::<u32>().ok()?;
        i64::from(count).checked_mul(factor)
    };
    seconds().ok_or_else(|| "a whole number and one of s, m, h and d are expected, as in 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("90d"), Ok(90 * 86_400));
        assert_eq!(duration("30m"), Ok(1800));
        for text in ["", "d", "90", "1.5h", "-1d", "1w", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pair_may_hold_further_equals_signs() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err());
    }
}
