//! Where settings come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::settings::Setting;

/// All sources of settings.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// The file, if one is named.
    pub file: Option<File<'a>>,
    /// The environment: every variable, including those that are not ours.
    pub environment: BTreeMap<String, OsString>,
    /// The flags that were given: keys and values.
    pub flags: Vec<(String, String)>,
}

/// A file that was read.
#[derive(Debug)]
pub struct File<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Whether every user of the machine has access to it. If so, it must not hold a secret.
    pub is_open_to_all: bool,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The default.
    Default {
        /// The setting.
        key: String,
    },
    /// A file.
    File {
        /// The file's name.
        name: String,
        /// The line.
        line: usize,
        /// The key there, if it has one.
        key: String,
    },
    /// An environment variable.
    Variable(String),
    /// A flag, without its dashes.
    Flag(String),
}

impl Source {
    pub(super) fn default(key: &str) -> Self {
        Self::Default { key: key.to_owned() }
    }

    /// The place in a file that begins at that byte.
    pub(super) fn file(file: &File<'_>, start: usize, key: impl Into<String>) -> Self {
        let before = file.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        Self::File { name: file.name.to_owned(), line, key: key.into() }
    }

    pub(super) fn flag(setting: &Setting) -> Self {
        Self::Flag(setting.flag())
    }

    /// The source in a few words, without the key.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Default { .. } => "default".to_owned(),
            Self::File { name, .. } => name.clone(),
            Self::Variable(_) | Self::Flag(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { key } => write!(formatter, "{key}"),
            Self::File { name, line, key } if key.is_empty() => write!(formatter, "{name}:{line}"),
            Self::File { name, line, key } => write!(formatter, "{name}:{line}: {key}"),
            Self::Variable(name) => write!(formatter, "{name}"),
            Self::Flag(name) => write!(formatter, "--{name}"),
        }
    }
}
