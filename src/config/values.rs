//! The raw values of each setting and their sources, before they are parsed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;

use zeroize::Zeroizing;

use super::OTHER_VARIABLES;
use super::settings::{Kind, SETTINGS, Setting};
use super::show::holds_password;
use super::sources::{File, Source, Sources};

/// A mistake in the configuration, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    source: Source,
    message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.source, self.message)
    }
}

/// The values of each setting, lowest precedence first. Some are secrets, so none is printed.
pub(super) struct Values(BTreeMap<&'static str, Vec<(Source, Zeroizing<String>)>>);

impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Values(hidden)")
    }
}

impl Values {
    /// Collects the values, and the mistakes that are visible before any value is parsed.
    pub(super) fn collect(sources: &Sources<'_>) -> (Self, Vec<Mistake>) {
        let mut values = Self(BTreeMap::new());
        let mut mistakes = Vec::new();
        for setting in SETTINGS {
            values.add(setting, Source::default(setting.key), setting.default);
        }
        if let Some(file) = &sources.file {
            values.add_file(file, &mut mistakes);
        }
        for (name, text) in &sources.environment {
            values.add_variable(name, text, &mut mistakes);
        }
        for (key, text) in &sources.flags {
            if let Some(setting) = Setting::of_key(key) {
                values.add(setting, Source::flag(setting), text);
            }
        }
        (values, mistakes)
    }

    /// Parses the value in force.
    pub(super) fn read<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Mistake> {
        let (source, text) = self.in_force(key);
        parse(text).map_err(|message| Mistake { source, message })
    }

    /// The mistakes in each given value, whether it is in force or not.
    pub(super) fn mistakes<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<Mistake> {
        let given = self.0.get(key).into_iter().flatten();
        given
            .filter_map(|(source, text)| parse(text).err().map(|message| Mistake { source: source.clone(), message }))
            .collect()
    }

    /// A mistake in the value in force.
    pub(super) fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        Mistake { source: self.in_force(key).0, message: message.into() }
    }

    /// The value in force and its source.
    pub(super) fn in_force(&self, key: &str) -> (Source, &str) {
        match self.0.get(key).and_then(|given| given.last()) {
            Some((source, text)) => (source.clone(), text),
            None => (Source::default(key), ""),
        }
    }

    fn add(&mut self, setting: &Setting, source: Source, text: &str) {
        self.0.entry(setting.key).or_default().push((source, Zeroizing::new(text.to_owned())));
    }

    fn add_file(&mut self, file: &File<'_>, mistakes: &mut Vec<Mistake>) {
        let table = match file.text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                let before = error.span().and_then(|span| file.text.get(..span.start)).unwrap_or_default();
                let source = Source::file(file, format!("line {}", before.matches('\n').count() + 1));
                return mistakes.push(Mistake { source, message: error.message().to_owned() });
            }
        };
        for (section, value) in table {
            let toml::Value::Table(entries) = value else {
                let message = "is not a section: settings belong to one, as in [server]".to_owned();
                mistakes.push(Mistake { source: Source::file(file, section), message });
                continue;
            };
            for (name, value) in entries {
                let key = format!("{section}.{name}");
                let source = Source::file(file, key.as_str());
                match Setting::of_key(&key) {
                    None => mistakes.push(Mistake { source, message: "is not a setting".to_owned() }),
                    Some(setting) => match text_of(&value, setting.kind) {
                        Ok(text) if file.is_open_to_all && is_secret(&text, setting.kind) => {
                            let message =
                                format!("is a secret, and {0} is accessible to all users: run chmod o= {0}", file.name);
                            mistakes.push(Mistake { source, message });
                        }
                        Ok(text) => self.add(setting, source, &text),
                        Err(message) => mistakes.push(Mistake { source, message }),
                    },
                }
            }
        }
    }

    fn add_variable(&mut self, name: &str, text: &OsStr, mistakes: &mut Vec<Mistake>) {
        if !name.starts_with("CREDENTIALD_") || OTHER_VARIABLES.contains(&name) {
            return;
        }
        let source = Source::Variable(name.to_owned());
        match (SETTINGS.iter().find(|setting| setting.variable() == name), text.to_str()) {
            (None, Some(text)) if is_of_kubernetes(name, text) => {}
            (None, _) => mistakes.push(Mistake { source, message: "is not a setting".to_owned() }),
            (Some(_), None) => mistakes.push(Mistake { source, message: "is not Unicode text".to_owned() }),
            (Some(setting), Some(text)) => self.add(setting, source, text),
        }
    }
}

/// Whether a value of that kind must be kept from other users of the machine.
fn is_secret(text: &str, kind: Kind) -> bool {
    match kind {
        Kind::Secret => !text.is_empty(),
        Kind::Url => holds_password(text),
        Kind::Text | Kind::Number | Kind::Flag => false,
    }
}

/// The text of a TOML value of the expected kind.
fn text_of(value: &toml::Value, kind: Kind) -> Result<String, String> {
    match (kind, value) {
        (Kind::Text | Kind::Secret | Kind::Url, toml::Value::String(text)) => Ok(text.clone()),
        (Kind::Number, toml::Value::Integer(number)) => Ok(number.to_string()),
        (Kind::Flag, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
        (Kind::Text | Kind::Secret | Kind::Url, _) => Err("must be text in quotes".to_owned()),
        (Kind::Number, _) => Err("must be a whole number without quotes".to_owned()),
        (Kind::Flag, _) => Err("must be true or false without quotes".to_owned()),
    }
}

/// Whether Kubernetes sets the variable in every container of a namespace where a Service is named `credentiald`, or
/// `credentiald-` and a suffix (Kubernetes documentation, "Service", environment variables).
///
/// A misspelt setting must not be taken for one of them: if the name is ambiguous, the value decides.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let is_link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let of_port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let mut parts = rest.split('_');
        let number = parts.next().is_some_and(|number| number.parse::<u16>().is_ok());
        let protocol = parts.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol));
        let what = parts.next().is_none_or(|what| ["PROTO", "PORT", "ADDR"].contains(&what));
        number && protocol && what && parts.next().is_none()
    });
    (name.ends_with("_PORT") && is_link)
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || of_port
}
