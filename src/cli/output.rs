//! The formats of results.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use crate::domain::text::stands_for_itself;

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For programs, and for people.
    Yaml,
    /// Names alone, one on each line.
    Name,
}

/// `--output` and `--json`.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputArgs {
    /// Format of the result, and of errors: with `json` and `yaml`, errors are JSON.
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    output: Format,
    /// The same as --output json.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl OutputArgs {
    /// The format.
    pub(super) const fn format(&self) -> Format {
        if self.json { Format::Json } else { self.output }
    }

    /// A result in the format: as it is for people, for programs, or its name alone.
    pub(super) fn shown(&self, result: &Json, text: &str, name: &str) -> String {
        match self.format() {
            Format::Table => text.to_owned(),
            Format::Json => format!("{result:#}"),
            Format::Yaml => yaml(result),
            Format::Name => name.to_owned(),
        }
    }
}

/// Whether these arguments ask for a format for programs. They are not parsed for that, because errors in arguments are
/// errors as well.
pub(super) fn is_for_programs(arguments: &[OsString]) -> bool {
    let words = || arguments.iter().take_while(|word| *word != "--").map(|word| word.to_string_lossy());
    let is_format = |format: &str| matches!(format, "json" | "yaml");
    let values = words().zip(words().skip(1)).filter(|(name, _)| matches!(name.as_ref(), "--output" | "-o"));
    let joined =
        |word: &str| ["--output=", "-o=", "-o"].iter().find_map(|name| word.strip_prefix(name)).is_some_and(is_format);
    words().any(|word| word == "--json" || joined(&word))
        || values.map(|(_, value)| value).any(|value| is_format(&value))
}

/// A value as YAML 1.2.
pub(super) fn yaml(value: &Json) -> String {
    let mut lines = Vec::new();
    match value {
        Json::Object(fields) if !fields.is_empty() => add_fields(fields, 0, &mut lines),
        Json::Array(items) if !items.is_empty() => add_items(items, 0, &mut lines),
        scalar => lines.push(scalar_text(scalar)),
    }
    lines.join("\n")
}

fn add_fields(fields: &serde_json::Map<String, Json>, depth: usize, lines: &mut Vec<String>) {
    for (name, value) in fields {
        add(&format!("{}{}:", indent(depth), string(name)), value, depth, lines);
    }
}

fn add_items(items: &[Json], depth: usize, lines: &mut Vec<String>) {
    for item in items {
        let first = lines.len();
        match item {
            Json::Object(fields) if !fields.is_empty() => add_fields(fields, depth.saturating_add(1), lines),
            item => {
                add(&format!("{}-", indent(depth)), item, depth, lines);
                continue;
            }
        }
        // The first field is on the line of its dash.
        if let Some(line) = lines.get_mut(first) {
            *line = format!("{}- {}", indent(depth), line.trim_start());
        }
    }
}

fn add(start: &str, value: &Json, depth: usize, lines: &mut Vec<String>) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            lines.push(start.to_owned());
            add_fields(fields, depth.saturating_add(1), lines);
        }
        Json::Array(items) if !items.is_empty() => {
            lines.push(start.to_owned());
            add_items(items, depth.saturating_add(1), lines);
        }
        scalar => lines.push(format!("{start} {}", scalar_text(scalar))),
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

fn scalar_text(value: &Json) -> String {
    match value {
        Json::String(text) => string(text),
        // Empty lists and objects, numbers, `true`, `false` and `null` are written as in JSON.
        other => other.to_string(),
    }
}

/// A text: in quotes, unless it can't be anything else.
fn string(text: &str) -> String {
    const OTHER: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'))
        && !OTHER.iter().any(|other| other.eq_ignore_ascii_case(text));
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if stands_for_itself(character) => quoted.push(character),
            _ => quoted.extend(format!("\\U{:08x}", u32::from(character)).chars()),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_says_what_json_says() {
        let value = json!({
            "accounts": [{ "name": "app", "tags": { "a b": "1" } }, { "name": "no" }, [1, ["x"]], "2026-01-01"],
            "empty": [[], {}],
            "text": "a\n\u{1f600}\u{202e}\"\\: #",
            "none": null,
            "right": true,
            "version": 3,
        });
        let expected = concat!(
            "accounts:\n  - name: app\n    tags:\n      \"a b\": \"1\"\n  - name: \"no\"\n  -\n    - 1\n    -\n",
            "      - x\n  - \"2026-01-01\"\nempty:\n  - []\n  - {}\n",
            "text: \"a\\U0000000a\u{1f600}\\U0000202e\\\"\\\\: #\"\nnone: null\nright: true\nversion: 3",
        );
        assert_eq!(yaml(&value), expected);
        assert_eq!((yaml(&json!({})), yaml(&json!("a"))), ("{}".to_owned(), "a".to_owned()));
    }

    #[test]
    fn errors_are_for_those_who_read_the_result() {
        let is_asked = |words: &[&str]| is_for_programs(&words.iter().map(OsString::from).collect::<Vec<_>>());
        for words in [&["x", "--json"][..], &["x", "--output", "json"], &["x", "--output=yaml", "y"], &["x", "-ojson"]]
        {
            assert!(is_asked(words), "{words:?}");
        }
        for words in [&["x"][..], &["x", "--", "--json"], &["x", "--output", "table"], &["x", "--tag", "output=json"]] {
            assert!(!is_asked(words), "{words:?}");
        }
    }
}
