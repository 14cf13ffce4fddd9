//! Converts values to the driver's types and back.

use std::borrow::Cow;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Row as _, Type, TypeInfo, ValueRef};

use crate::store::sql::{Insertion, Statement, Value};

pub(super) fn query_of(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    let query = match statement.text {
        Cow::Borrowed(text) => sqlx::query(text),
        // `Statement` guarantees that the text holds constants only.
        Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
    };
    statement.values.into_iter().fold(query, |query, value| match value {
        Value::Null => query.bind(Null),
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

/// A statement that adds all rows, with one array for each column: the server reads each far faster than as many values.
pub(super) fn insertion_of(insertion: Insertion) -> Query<'static, Postgres, PgArguments> {
    let Insertion { table, columns, rows } = insertion;
    let mut arrays: Vec<Column> = columns.iter().map(|_| Column::Nulls).collect();
    for (number, row) in rows.into_iter().enumerate() {
        for (column, value) in arrays.iter_mut().zip(row) {
            column.push(number, value);
        }
    }
    let (mut selected, mut unnested, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for column in &arrays {
        let Some(array) = column.array() else {
            selected.push("NULL".to_owned());
            continue;
        };
        let place = names.len() + 1;
        selected.push(format!("r.v{place}"));
        unnested.push(format!("CAST(${place} AS {array})"));
        names.push(format!("v{place}"));
    }
    let [columns, selected, unnested, names] =
        [columns.join(", "), selected.join(", "), unnested.join(", "), names.join(", ")];
    let text = format!("INSERT INTO {table} ({columns}) SELECT {selected} FROM unnest({unnested}) r({names})");
    // The names are constants.
    arrays.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, column| match column {
        Column::Nulls => query,
        Column::Integers(values) => query.bind(values),
        Column::Texts(values) => query.bind(values),
        Column::Bytes(values) => query.bind(values),
    })
}

/// The values of a column.
enum Column {
    /// Of any type.
    Nulls,
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    /// The type of its array, if it is not all NULL.
    const fn array(&self) -> Option<&'static str> {
        match self {
            Self::Nulls => None,
            Self::Integers(_) => Some("BIGINT[]"),
            Self::Texts(_) => Some("TEXT[]"),
            Self::Bytes(_) => Some("BYTEA[]"),
        }
    }

    /// Adds a value after `before` others. The columns of our tables have one type each.
    fn push(&mut self, before: usize, value: Value) {
        if let Self::Nulls = self {
            *self = match value {
                Value::Null => return,
                Value::Integer(_) => Self::Integers(vec![None; before]),
                Value::Text(_) => Self::Texts(vec![None; before]),
                Value::Bytes(_) => Self::Bytes(vec![None; before]),
            };
        }
        match (self, value) {
            (Self::Integers(values), Value::Integer(number)) => values.push(Some(number)),
            (Self::Texts(values), Value::Text(text)) => values.push(Some(text)),
            (Self::Bytes(values), Value::Bytes(bytes)) => values.push(Some(bytes)),
            (column, value) => {
                debug_assert!(matches!(value, Value::Null), "a column has values of two types");
                match column {
                    Self::Integers(values) => values.push(None),
                    Self::Texts(values) => values.push(None),
                    Self::Bytes(values) => values.push(None),
                    Self::Nulls => {}
                }
            }
        }
    }
}

/// Converts a value by its own type, whatever the column's type.
pub(super) fn cell_of(row: &PgRow, column: usize) -> Option<Value> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        return Some(Value::Null);
    }
    match value.type_info().name() {
        "INT8" => row.try_get(column).ok().map(Value::Integer),
        "TEXT" => row.try_get(column).ok().map(Value::Text),
        "BYTEA" => row.try_get(column).ok().map(Value::Bytes),
        _ => None,
    }
}

/// NULL, of the type that the statement expects at its place.
struct Null;

impl Type<Postgres> for Null {
    /// Zero leaves the type to the server (<https://www.postgresql.org/docs/current/protocol-message-formats.html>,
    /// `Parse`).
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Null {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}
