//! Statements with their values.

use std::borrow::Cow;

use super::Value;

/// A statement with its values; `$1` is the first.
///
/// Its text holds constants only; external input is always a value.
#[derive(Debug, Clone)]
pub(in crate::store) struct Statement {
    pub(in crate::store) text: Cow<'static, str>,
    pub(in crate::store) values: Vec<Value>,
    /// It reads or writes many rows: a driver that runs statements itself runs it on a thread that nothing else waits
    /// for.
    pub(in crate::store) takes_long: bool,
}

/// A statement with that text.
pub(in crate::store) fn sql(text: &'static str) -> Statement {
    Statement { text: Cow::Borrowed(text), values: Vec::new(), takes_long: false }
}

impl Statement {
    /// A statement whose text is the concatenation of the parts.
    pub(in crate::store) fn of_parts(parts: &[&'static str]) -> Self {
        Self { text: Cow::Owned(parts.concat()), values: Vec::new(), takes_long: false }
    }

    /// A statement with a text built from constants, and its values.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn of_text(text: String, values: Vec<Value>) -> Self {
        Self { text: Cow::Owned(text), values, takes_long: false }
    }

    /// Marks the statement as slow.
    pub(in crate::store) fn taking_long(mut self) -> Self {
        self.takes_long = true;
        self
    }

    /// Adds a value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds a value if there is one.
    pub(in crate::store) fn bind_some(self, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.bind(value),
            None => self,
        }
    }
}

/// New rows of a table.
#[derive(Debug)]
pub(in crate::store) struct Insertion {
    pub(in crate::store) table: &'static str,
    pub(in crate::store) columns: &'static [&'static str],
    /// Each row has a value for each column.
    pub(in crate::store) rows: Vec<Vec<Value>>,
}
