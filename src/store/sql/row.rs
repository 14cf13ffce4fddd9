//! Rows, and strict reading of their columns.

use std::sync::Arc;

use super::Value;
use crate::ports::StoreError;

/// Column names of a statement in one string, because they are built on every run.
#[derive(Debug, Clone)]
pub(in crate::store) struct Columns(Arc<(String, Vec<usize>)>);

impl<'a> FromIterator<&'a str> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        // Room for nearly every statement: growing costs more than the rest.
        let (mut text, mut ends) = (String::with_capacity(256), Vec::with_capacity(16));
        for name in names {
            text.push_str(name);
            ends.push(text.len());
        }
        Self(Arc::new((text, ends)))
    }
}

impl Columns {
    fn names(&self) -> impl Iterator<Item = &str> {
        let (text, ends) = &*self.0;
        let mut start = 0;
        ends.iter().filter_map(move |end| text.get(std::mem::replace(&mut start, *end)..*end))
    }
}

/// A row. Columns are read strictly by type: a text is never converted to a number.
#[derive(Debug)]
pub(in crate::store) struct Row {
    columns: Columns,
    values: Vec<Option<Value>>,
}

impl Row {
    /// A row with those columns. A value that no [`Value`] can hold is `None`.
    pub(in crate::store) fn new(columns: Columns, values: Vec<Option<Value>>) -> Self {
        Self { columns, values }
    }

    pub(in crate::store) fn text(&self, column: &str) -> Result<&str, StoreError> {
        self.optional_text(column)?.ok_or_else(|| unreadable(column))
    }

    pub(in crate::store) fn optional_text(&self, column: &str) -> Result<Option<&str>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(unreadable(column)),
        }
    }

    pub(in crate::store) fn integer(&self, column: &str) -> Result<i64, StoreError> {
        self.optional_integer(column)?.ok_or_else(|| unreadable(column))
    }

    pub(in crate::store) fn optional_integer(&self, column: &str) -> Result<Option<i64>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Integer(number) => Ok(Some(*number)),
            _ => Err(unreadable(column)),
        }
    }

    pub(in crate::store) fn bytes(&self, column: &str) -> Result<&[u8], StoreError> {
        match self.value(column)? {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(unreadable(column)),
        }
    }

    /// The columns from `first` on, with what is stored in them, as texts; none is unreadable, and NULL is left out. No
    /// two contents that can be read have the same texts.
    pub(in crate::store) fn texts_from(&self, first: &str) -> impl Iterator<Item = (String, String)> {
        self.columns.names().zip(&self.values).skip_while(move |(name, _)| *name != first).filter_map(
            |(name, value)| match value {
                Some(Value::Null) => None,
                Some(Value::Integer(number)) => Some((name.to_owned(), number.to_string())),
                Some(Value::Text(text)) => Some((name.to_owned(), text.clone())),
                Some(Value::Bytes(bytes)) => Some((format!("{name} (bytes)"), format!("{bytes:02x?}"))),
                None => Some((format!("{name} (unreadable)"), String::new())),
            },
        )
    }

    fn value(&self, column: &str) -> Result<&Value, StoreError> {
        let found = self.columns.names().position(|name| name == column);
        found.and_then(|at| self.values.get(at)?.as_ref()).ok_or_else(|| unreadable(column))
    }
}

/// Names the column, never the value.
fn unreadable(column: &str) -> StoreError {
    StoreError::Damaged(format!("\"{column}\" can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_as_what_it_is_or_not_at_all() {
        let columns = ["n", "t", "b", "none", "odd"].into_iter().collect();
        let values = vec![
            Some(Value::Integer(7)),
            Some(Value::Text("7".to_owned())),
            Some(Value::Bytes(vec![7])),
            Some(Value::Null),
            None,
        ];
        let row = Row::new(columns, values);
        assert_eq!(
            (row.integer("n").ok(), row.text("t").ok(), row.bytes("b").ok()),
            (Some(7), Some("7"), Some(&[7][..]))
        );
        assert!(matches!((row.optional_integer("none"), row.optional_text("none")), (Ok(None), Ok(None))));
        for column in ["t", "b", "none", "odd", "absent"] {
            let error = row.integer(column).unwrap_err();
            assert!(error.to_string().ends_with(&format!("\"{column}\" can't be read")), "{error}");
        }
        for column in ["n", "b", "none", "odd", "absent"] {
            row.text(column).unwrap_err();
        }
        for column in ["n", "t", "none", "odd", "absent"] {
            row.bytes(column).unwrap_err();
        }
        row.optional_integer("t").unwrap_err();
        row.optional_text("n").unwrap_err();
        let texts: Vec<_> = row.texts_from("t").collect();
        let expected = [("t", "7"), ("b (bytes)", "[07]"), ("odd (unreadable)", "")];
        assert_eq!(texts, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
