//! Reading, on the thread that asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};

use super::errors::code;
use crate::ports::StoreError;
use crate::store::sql::{Row, Statement, Value};

/// Statements that a connection keeps prepared: more than the store has.
const KEPT_STATEMENTS: usize = 64;

/// Connections that read. sqlx hands each statement to a thread of the connection and each row back, which takes several
/// times as long as to read from memory that is mapped or cached, and keeps the CPUs from the hashes.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Connections to the database of that file, made as they are needed: not more than threads that read at a time.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default() }
    }

    /// Runs one statement that reads. Never waits: nothing is answered where a lock is held by somebody else.
    pub(super) fn read(&self, statement: &Statement) -> Result<Option<Vec<Row>>, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open(&self.path), Ok).map_err(store_error)?;
        let rows = rows(&connection, statement);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        match rows {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if matches!(code_of(&error), Some(code::BUSY | code::LOCKED)) => Ok(None),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Closes the connections.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
    Ok(connection)
}

fn rows(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    // `$1` is a name to SQLite, whose place is where it first occurs.
    for place in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(place).and_then(|name| name.strip_prefix('$'));
        let number = name.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
        let value = number.and_then(|number| statement.values.get(number));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(place, statement.values.len()))?;
        prepared.raw_bind_parameter(place, bound(value))?;
    }
    let columns: Arc<[String]> = prepared.column_names().into_iter().map(str::to_owned).collect();
    let (mut found, mut read) = (prepared.raw_query(), Vec::new());
    while let Some(row) = found.next()? {
        let cells = (0..columns.len()).map(|column| row.get_ref(column).ok().and_then(cell)).collect();
        read.push(Row::new(Arc::clone(&columns), cells));
    }
    Ok(read)
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

/// A value as what it is, whatever the column was declared as.
fn cell(value: ValueRef<'_>) -> Option<Value> {
    match value {
        ValueRef::Null => Some(Value::Null),
        ValueRef::Integer(number) => Some(Value::Integer(number)),
        ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Value::from),
        ValueRef::Blob(bytes) => Some(Value::from(bytes)),
        ValueRef::Real(_) => None,
    }
}

fn code_of(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code & 0xff)
}

fn store_error(error: rusqlite::Error) -> StoreError {
    match code_of(&error) {
        Some(code::CORRUPT | code::NOTADB) => StoreError::Damaged(error.to_string()),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}
