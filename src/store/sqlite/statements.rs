//! Passes statements and values to SQLite and its rows back. All conversion of values is here.

use std::ops::ControlFlow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};

use crate::store::sql::{Columns, Insertion, MeasuredStatement, Row, Statement, Value};

/// Its name in traces, as the semantic conventions of OpenTelemetry write it.
pub(super) const SYSTEM: &str = "sqlite";

/// Runs a statement without rows, and returns how many rows it changed.
pub(super) fn execute(connection: &Connection, statement: &Statement) -> rusqlite::Result<u64> {
    let measured = MeasuredStatement::begin(SYSTEM, &statement.text);
    measured.end(prepare(connection, statement).and_then(|mut prepared| Ok(prepared.raw_execute()? as u64)))
}

/// Adds rows one by one: SQLite has no network round trips, and is slower with a statement of many rows.
pub(super) fn insert(connection: &Connection, insertion: &Insertion) -> rusqlite::Result<()> {
    let measured = MeasuredStatement::insertion(SYSTEM, insertion);
    measured.end(insert_each(connection, insertion))
}

fn insert_each(connection: &Connection, Insertion { table, columns, rows }: &Insertion) -> rusqlite::Result<()> {
    let places: Vec<_> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let text = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    let mut prepared = connection.prepare_cached(&text)?;
    for row in rows {
        for (place, value) in (1..).zip(row) {
            prepared.raw_bind_parameter(place, bound(value))?;
        }
        prepared.raw_execute()?;
    }
    Ok(())
}

/// Runs a statement and returns its rows.
pub(super) fn fetch(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut rows = Vec::new();
    each_row(connection, statement, |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// Runs statements on one snapshot and returns the rows of each.
pub(super) fn fetch_all(connection: &Connection, statements: &[Statement]) -> rusqlite::Result<Vec<Vec<Row>>> {
    let fetch = |statement| fetch(connection, statement);
    match statements {
        [statement] => Ok(vec![fetch(statement)?]),
        [first, others @ ..] => {
            // A statement that still has rows to give keeps its snapshot, without the commands of a transaction.
            let (mut rows, mut found_others) = (Vec::new(), Vec::new());
            each_row(connection, first, |row| {
                if rows.is_empty() {
                    found_others.extend(others.iter().map(fetch));
                }
                rows.push(row);
                ControlFlow::Continue(())
            })?;
            if rows.is_empty() {
                return fetch_in_transaction(connection, statements);
            }
            std::iter::once(Ok(rows)).chain(found_others).collect()
        }
        [] => Ok(Vec::new()),
    }
}

fn fetch_in_transaction(connection: &Connection, statements: &[Statement]) -> rusqlite::Result<Vec<Vec<Row>>> {
    command(connection, "BEGIN")?;
    let found = statements.iter().map(|statement| fetch(connection, statement)).collect();
    command(connection, "COMMIT")?;
    found
}

/// Runs a statement and passes on each row as it is read, for as long as `give` wants more.
pub(super) fn each_row(
    connection: &Connection,
    statement: &Statement,
    give: impl FnMut(Row) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let measured = MeasuredStatement::begin(SYSTEM, &statement.text);
    measured.end(give_each_row(connection, statement, give))
}

fn give_each_row(
    connection: &Connection,
    statement: &Statement,
    mut give: impl FnMut(Row) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let mut prepared = prepare(connection, statement)?;
    let count = prepared.column_count();
    let mut columns = None;
    let mut found = prepared.raw_query();
    while let Some(row) = found.next()? {
        // Many statements find nothing.
        let columns = columns.get_or_insert_with(|| columns_of(row.as_ref()));
        let cells = (0..count).map(|column| row.get_ref(column).ok().and_then(cell)).collect();
        if give(Row::new(columns.clone(), cells)).is_break() {
            break;
        }
    }
    Ok(())
}

fn columns_of(statement: &rusqlite::Statement<'_>) -> Columns {
    (0..statement.column_count()).filter_map(|column| statement.column_name(column).ok()).collect()
}

/// Runs a command that has neither values nor rows.
pub(super) fn command(connection: &Connection, text: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(text)?.raw_execute().map(drop)
}

fn prepare<'a>(connection: &'a Connection, statement: &Statement) -> rusqlite::Result<CachedStatement<'a>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    // To SQLite `$1` is a name; its position is that of its first occurrence.
    for place in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(place).and_then(|name| name.strip_prefix('$'));
        let number = name.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
        let value = number.and_then(|number| statement.values.get(number));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(place, statement.values.len()))?;
        prepared.raw_bind_parameter(place, bound(value))?;
    }
    Ok(prepared)
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

/// Converts a value by its own type, whatever the column was declared as.
fn cell(value: ValueRef<'_>) -> Option<Value> {
    match value {
        ValueRef::Null => Some(Value::Null),
        ValueRef::Integer(number) => Some(Value::Integer(number)),
        // A text that is not UTF-8 is read as what it is: no column that is read as a text has bytes.
        ValueRef::Text(text) => Some(std::str::from_utf8(text).map_or_else(|_| Value::from(text), Value::from)),
        ValueRef::Blob(bytes) => Some(Value::from(bytes)),
        ValueRef::Real(_) => None,
    }
}
