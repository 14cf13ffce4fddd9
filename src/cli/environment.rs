//! The environment of the process.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment variables.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    pub(super) fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value)).collect())
    }

    /// The variable's text, if it is set and is Unicode.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str()
    }

    /// All of them.
    pub(super) fn variables(&self) -> &BTreeMap<String, OsString> {
        &self.0
    }
}
