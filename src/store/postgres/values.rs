//! Converts values to the driver's types and back.

use std::borrow::Cow;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Row as _, Type, TypeInfo, ValueRef};

use crate::store::sql::{Statement, Value};

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
