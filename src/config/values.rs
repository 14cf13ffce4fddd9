//! The raw values of each setting and their sources, before they are parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::OTHER_VARIABLES;
use super::settings::{Kind, SETTINGS, Setting};
use super::show::holds_password;
use super::sources::{File, Source, Sources};
use crate::domain::text::printable;

/// A longer value is not repeated.
const SHOWN_BYTES: usize = 80;
/// A name with more wrong characters is not a misspelt one.
const MISSPELT: usize = 3;

/// A mistake in the configuration, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    source: Source,
    message: String,
}

impl Mistake {
    /// Where it comes among others: first those in the file, by their lines.
    pub const fn order(&self) -> usize {
        match self.source {
            Source::File { line, .. } => line,
            _ => usize::MAX,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.source, self.message)
    }
}

/// The values of each setting, lowest precedence first. Some are secrets, so none is printed.
pub(super) struct Values {
    given: BTreeMap<&'static str, Vec<(Source, Zeroizing<String>)>>,
    /// The settings that had a value which was left out.
    incomplete: BTreeSet<&'static str>,
}

impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Values(hidden)")
    }
}

impl Values {
    /// Collects the values, and the mistakes that are visible before any value is parsed.
    pub(super) fn collect(sources: &Sources<'_>) -> (Self, Vec<Mistake>) {
        let mut values = Self { given: BTreeMap::new(), incomplete: BTreeSet::new() };
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
        parse(text).map_err(|allowed| Mistake { source, message: refused(key, text, &allowed) })
    }

    /// The mistakes in each given value, whether it is in force or not.
    pub(super) fn mistakes<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<Mistake> {
        let given = self.given.get(key).into_iter().flatten();
        let mistake = |(source, text): &(Source, Zeroizing<String>)| {
            let allowed = parse(text).err()?;
            Some(Mistake { source: source.clone(), message: refused(key, text, &allowed) })
        };
        given.filter_map(mistake).collect()
    }

    /// Leaves out the values that can't be parsed, so that others can be checked.
    pub(super) fn leave_out<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) {
        let given = self.given.entry(key).or_default();
        let before = given.len();
        given.retain(|(_, text)| parse(text).is_ok());
        if given.len() < before {
            self.incomplete.insert(key);
        }
    }

    /// Whether a value of that setting was left out.
    pub(super) fn is_incomplete(&self, key: &str) -> bool {
        self.incomplete.contains(key)
    }

    /// A mistake in the value in force.
    pub(super) fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        Mistake { source: self.in_force(key).0, message: message.into() }
    }

    /// The value in force and its source.
    pub(super) fn in_force(&self, key: &str) -> (Source, &str) {
        match self.given.get(key).and_then(|given| given.last()) {
            Some((source, text)) => (source.clone(), text),
            None => (Source::default(key), ""),
        }
    }

    fn add(&mut self, setting: &Setting, source: Source, text: &str) {
        self.given.entry(setting.key).or_default().push((source, Zeroizing::new(text.to_owned())));
    }

    fn add_file(&mut self, file: &File<'_>, mistakes: &mut Vec<Mistake>) {
        let (table, errors) = DeTable::parse_recoverable(file.text);
        // What follows a broken line is read too.
        let broken: Vec<_> = errors
            .iter()
            .map(|error| {
                let start = error.span().map_or(0, |span| span.start);
                let source = Source::file(file, start, "");
                mistakes.push(Mistake { source: source.clone(), message: error.message().to_owned() });
                source
            })
            .collect();
        let is_broken = |span: &Range<usize>| broken.contains(&Source::file(file, span.start, ""));
        for (section, value) in table.get_ref() {
            if is_broken(&section.span()) {
                continue;
            }
            let DeValue::Table(entries) = value.get_ref() else {
                let source = Source::file(file, section.span().start, section.get_ref().as_ref());
                mistakes.push(Mistake { source, message: no_section(section.get_ref()) });
                continue;
            };
            for (name, value) in entries.iter().filter(|(name, _)| !is_broken(&name.span())) {
                let key = format!("{}.{}", section.get_ref(), name.get_ref());
                let source = Source::file(file, name.span().start, key.as_str());
                let text = match Setting::of_key(&key) {
                    None => Err(no_setting(&key, SETTINGS.iter().map(|setting| setting.key.to_owned()))),
                    Some(setting) => match text_of(value.get_ref(), setting.kind) {
                        Ok(text) if file.is_open_to_all && is_secret(&text, setting.kind) => {
                            Err(format!("is a secret, and {0} is accessible to all users: run chmod o= {0}", file.name))
                        }
                        text => text.map(|text| (setting, text)),
                    },
                };
                match text {
                    Ok((setting, text)) => self.add(setting, source, &text),
                    Err(message) => mistakes.push(Mistake { source, message }),
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
            (None, _) => {
                let others = OTHER_VARIABLES.iter().map(|name| (*name).to_owned());
                let message = no_setting(name, SETTINGS.iter().map(Setting::variable).chain(others));
                mistakes.push(Mistake { source, message });
            }
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
fn text_of(value: &DeValue<'_>, kind: Kind) -> Result<String, String> {
    let allowed = match (kind, value) {
        (Kind::Text | Kind::Secret | Kind::Url, DeValue::String(text)) => return Ok(text.to_string()),
        (Kind::Flag, DeValue::Boolean(flag)) => return Ok(flag.to_string()),
        (Kind::Number, DeValue::Integer(number)) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => return Ok(number.to_string()),
            Err(_) => return Err("is too large a number".to_owned()),
        },
        (Kind::Text | Kind::Secret | Kind::Url, _) => "text in quotes",
        (Kind::Number, _) => "a whole number without quotes",
        (Kind::Flag, _) => "`true` or `false` without quotes",
    };
    Err(format!("is of type {}; use {allowed}", value.type_str()))
}

/// A refused value with what is allowed. The value of a secret is not repeated.
fn refused(key: &str, text: &str, allowed: &str) -> String {
    match Setting::of_key(key).map(|setting| setting.kind) {
        Some(Kind::Text | Kind::Number | Kind::Flag) if text.is_empty() => format!("is empty; {allowed}"),
        Some(Kind::Text | Kind::Number | Kind::Flag) if text.len() <= SHOWN_BYTES => {
            format!("is `{}`; {allowed}", printable(text))
        }
        _ => allowed.to_owned(),
    }
}

/// An unknown name, with the nearest of those that are known.
fn no_setting(name: &str, known: impl Iterator<Item = String>) -> String {
    let near = known.map(|known| (strsim::osa_distance(name, &known), known)).min();
    match near.filter(|(distance, _)| *distance <= MISSPELT) {
        Some((_, near)) => format!("is not a setting; did you mean `{near}`?"),
        None => "is not a setting".to_owned(),
    }
}

/// A key outside of a section, with the setting of that name, if there is one.
fn no_section(name: &str) -> String {
    let is_of_name = |setting: &&Setting| setting.key.split_once('.').is_some_and(|(_, last)| last == name);
    match SETTINGS.iter().find(is_of_name).and_then(|setting| setting.key.split_once('.')) {
        Some((section, _)) => format!("is not in a section: `{name}` belongs to one, as in [{section}]"),
        None => "is not a section: settings belong to one, as in [server]".to_owned(),
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
