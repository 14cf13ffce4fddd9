//! The file of issuers: TOML, with a table `[[issuer]]` for each, and in it a table `[[issuer.rule]]` for each caller.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::algorithm::Algorithm;
use super::issuer::{Issuer, Jwks, JwksUrl, Rule};
use super::issuers::JwtFileNames;
use crate::domain::named_caller::NamedCaller;
use crate::outgoing::Address;

/// How long fetched keys are used if the file says nothing.
const USED_FOR: Duration = Duration::from_hours(1);
/// How long they may be used at most, in seconds.
const LONGEST_USE: i64 = 24 * 60 * 60;
/// The shortest use: some attempts to fetch them again.
const SHORTEST_USE: i64 = 10 * 60;

/// Reads the issuers. Names of files are relative to `directory`.
///
/// # Errors
/// Every mistake.
pub(super) fn read(text: &str, directory: &Path) -> Result<Vec<Issuer>, Vec<String>> {
    let table = text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        vec![format!("line {}: {}", before.matches('\n').count() + 1, error.message())]
    })?;
    let mut mistakes = Vec::new();
    let mut file = Section { place: String::new(), table, mistakes: &mut mistakes };
    let tables = file.tables("issuer");
    file.end();
    let mut issuers: Vec<Issuer> = Vec::new();
    for (number, table) in tables.into_iter().enumerate() {
        let place = format!("issuer {}: ", number + 1);
        let section = Section { place: place.clone(), table, mistakes: &mut mistakes };
        let Some(issuer) = issuer(section, directory) else { continue };
        if issuers.iter().any(|other| other.name == issuer.name) {
            mistakes.push(format!("{place}issuer: is the same as that of another table"));
        }
        issuers.push(issuer);
    }
    if issuers.is_empty() && mistakes.is_empty() {
        mistakes.push("holds no [[issuer]]".to_owned());
    }
    if mistakes.is_empty() { Ok(issuers) } else { Err(mistakes) }
}

fn issuer(mut section: Section<'_>, directory: &Path) -> Option<Issuer> {
    let (name, audience) = (section.required("issuer"), section.required("audience"));
    let algorithms = section.algorithms();
    let token_type = section.text("token_type").map(|only| only.to_ascii_lowercase());
    let jwks = section.jwks(directory);
    let tables = section.tables("rule");
    if tables.is_empty() {
        section.mistake("rule", "is missing: without one, no token is accepted");
    }
    let mut rules: Vec<Rule> = Vec::new();
    for (number, table) in tables.into_iter().enumerate() {
        let place = format!("{}rule {}: ", section.place, number + 1);
        let Some(rule) = rule(Section { place: place.clone(), table, mistakes: section.mistakes }) else { continue };
        if rules.iter().any(|other| other.overlaps(&rule)) {
            section.mistakes.push(format!("{place}a token could match an earlier rule as well"));
        }
        rules.push(rule);
    }
    section.end();
    Some(Issuer { name: name?, audience: audience?, algorithms, token_type, jwks: jwks?, rules })
}

fn rule(mut section: Section<'_>) -> Option<Rule> {
    let (subject, caller) = (section.required("subject"), section.required("caller"));
    let caller = caller.and_then(|caller| {
        let named = NamedCaller::parse(&caller);
        if named.is_none() {
            section.mistake("caller", &format!("must be {}", NamedCaller::FORMS));
        }
        named
    });
    let mut claims = Vec::new();
    match section.table.remove("claims") {
        None => {}
        Some(Value::Table(given)) => {
            for (name, value) in given {
                match value {
                    Value::String(value) => claims.push((name, value)),
                    _ => section.mistake("claims", "must all be text in quotes"),
                }
            }
        }
        Some(_) => section.mistake("claims", "must be a table, as in { azp = \"relay\" }"),
    }
    section.end();
    Some(Rule { subject: subject?, claims, caller: caller? })
}

/// A table that is being read.
struct Section<'a> {
    /// Where it is, for messages.
    place: String,
    /// The entries that are not read yet.
    table: Table,
    mistakes: &'a mut Vec<String>,
}

impl Section<'_> {
    fn mistake(&mut self, key: &str, message: &str) {
        self.mistakes.push(format!("{}{key}: {message}", self.place));
    }

    /// Every entry that is left is a mistake.
    fn end(mut self) {
        let left: BTreeSet<String> = self.table.keys().cloned().collect();
        for key in left {
            self.mistake(&key, "is not a setting of issuers");
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.mistake(key, "must be text in quotes");
                None
            }
        }
    }

    fn required(&mut self, key: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.mistake(key, "is missing");
        }
        self.text(key)
    }

    fn tables(&mut self, key: &str) -> Vec<Table> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let Value::Array(items) = value else {
            self.mistake(key, "must be an array of tables, with two brackets on each side");
            return Vec::new();
        };
        let count = items.len();
        let tables: Vec<_> = items
            .into_iter()
            .filter_map(|item| match item {
                Value::Table(table) => Some(table),
                _ => None,
            })
            .collect();
        if tables.len() < count {
            self.mistake(key, "must hold tables only");
        }
        tables
    }

    fn algorithms(&mut self) -> Vec<&'static Algorithm> {
        let names = match self.table.remove("algorithms") {
            Some(Value::Array(names)) if !names.is_empty() => names,
            _ => {
                self.mistake("algorithms", "must be a list, as in [\"RS256\"]");
                return Vec::new();
            }
        };
        let mut algorithms = Vec::new();
        for name in names {
            if let Some(algorithm) = name.as_str().and_then(Algorithm::of) {
                algorithms.push(algorithm);
            } else {
                let known: Vec<_> = Algorithm::all().iter().map(|algorithm| algorithm.name).collect();
                self.mistake("algorithms", &format!("must be among {}", known.join(", ")));
            }
        }
        algorithms
    }

    fn jwks(&mut self, directory: &Path) -> Option<Jwks> {
        let path = |text: Option<String>| text.map(|text| directory.join(text));
        let (file, url) = (path(self.text("jwks_file")), self.text("jwks_url"));
        let (ca_file, token_file) = (path(self.text("jwks_ca_file")), path(self.text("jwks_token_file")));
        let used_for = self.used_for();
        match (file, url) {
            (Some(file), None) => {
                if ca_file.is_some() || token_file.is_some() || used_for.is_some() {
                    self.mistake("jwks_file", "has no CA, no token and no time: those are for jwks_url");
                }
                Some(Jwks::File(file))
            }
            (None, Some(url)) => {
                match Address::parse(&url) {
                    Err(message) => self.mistake("jwks_url", message),
                    Ok(address) if !address.is_encrypted() && (ca_file.is_some() || token_file.is_some()) => {
                        self.mistake("jwks_url", "must be https:// for a CA or a token");
                    }
                    Ok(_) => {}
                }
                Some(Jwks::Url(JwksUrl { url, ca_file, token_file, used_for: used_for.unwrap_or(USED_FOR) }))
            }
            _ => {
                self.mistake("jwks_file", "or jwks_url is needed, and only one of them");
                None
            }
        }
    }

    fn used_for(&mut self) -> Option<Duration> {
        if let Value::Integer(seconds @ SHORTEST_USE..=LONGEST_USE) = self.table.remove("jwks_used_for_seconds")? {
            return u64::try_from(seconds).ok().map(Duration::from_secs);
        }
        let message = format!("must be a whole number between {SHORTEST_USE} and {LONGEST_USE}");
        self.mistake("jwks_used_for_seconds", &message);
        None
    }
}

/// The files that the issuers need besides.
pub(super) fn files(issuers: &[Issuer]) -> JwtFileNames {
    let mut files = JwtFileNames::default();
    for issuer in issuers {
        match &issuer.jwks {
            Jwks::File(file) => files.texts.push(file.clone()),
            Jwks::Url(url) => {
                files.texts.extend(url.ca_file.clone());
                files.secrets.extend(url.token_file.clone());
            }
        }
    }
    files
}
