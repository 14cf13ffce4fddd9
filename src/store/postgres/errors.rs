//! Maps errors of the driver to errors of the port.

use std::io;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::ports::StoreError;
use crate::store::sql::Again;

/// SQLSTATEs (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
mod state {
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK_DETECTED: &str = "40P01";
    /// A text that does not stand for a value of its type.
    pub(super) const INVALID_TEXT: &str = "22P02";
    pub(super) const READ_ONLY_TRANSACTION: &str = "25006";
    pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";
    pub(super) const UNDEFINED_TABLE: &str = "42P01";
    pub(super) const DUPLICATE_TABLE: &str = "42P07";
    pub(super) const CRASH_SHUTDOWN: &str = "57P02";
    /// The server is shutting down, crashed, is starting or ended the session, or has no free connection.
    pub(super) const OPERATOR_INTERVENTION: [&str; 5] = ["57P01", CRASH_SHUTDOWN, "57P03", "57P05", "53300"];
    /// Among others: a prepared statement whose columns a migration has changed. A new connection prepares it again.
    pub(super) const FEATURE_NOT_SUPPORTED: &str = "0A000";
    /// Stored data cannot be read: data, index, character.
    pub(super) const DAMAGED: [&str; 3] = ["XX001", "XX002", "22021"];
    /// Integrity constraints.
    pub(super) const CONSTRAINT_CLASS: &str = "23";
    /// Connection exceptions.
    pub(super) const CONNECTION_CLASS: &str = "08";
}

/// The SQLSTATE of an error that the server returned.
fn state_of(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.try_downcast_ref().map(PgDatabaseError::code)
}

/// Whether the server crashes after what it reported.
fn is_panic(error: &sqlx::Error) -> bool {
    let reported: Option<&PgDatabaseError> = error.as_database_error().and_then(|error| error.try_downcast_ref());
    reported.is_some_and(|error| error.severity() == PgSeverity::Panic)
}

/// The role of the URL lacks a privilege.
#[derive(Debug, thiserror::Error)]
#[error("the database role lacks a privilege: grant what docs/postgresql.md lists")]
struct Denied(#[source] sqlx::Error);

/// A write ran in another session than the one that was set up for writes.
#[derive(Debug, thiserror::Error)]
#[error(
    "the transaction is not serializable: a connection pooler has to keep a session for as long as a connection lasts"
)]
struct NotSerializable(#[source] sqlx::Error);

/// Maps an error of a statement. Its transaction is over and changed nothing.
pub(super) fn of_statement(error: sqlx::Error) -> StoreError {
    let Some(state) = state_of(&error) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => Again::Lost(Box::new(error)).into(),
            // Name the column, never the value.
            sqlx::Error::ColumnDecode { index, .. } => StoreError::Damaged(format!("{index} can't be read")),
            sqlx::Error::Decode(_) => StoreError::Damaged("a value can't be read".to_owned()),
            error => StoreError::Unavailable(Box::new(error)),
        };
    };
    if matches!(state, state::SERIALIZATION_FAILURE | state::DEADLOCK_DETECTED) {
        Again::Conflict(Box::new(error)).into()
    } else if state.starts_with(state::CONSTRAINT_CLASS) {
        Again::Constraint(Box::new(error)).into()
    } else if state == state::INSUFFICIENT_PRIVILEGE {
        StoreError::Unavailable(Box::new(Denied(error)))
    } else if is_loss(state) {
        Again::Lost(Box::new(error)).into()
    } else if state::DAMAGED.contains(&state) {
        StoreError::Damaged(error.to_string())
    } else {
        StoreError::Unavailable(Box::new(error))
    }
}

/// Maps an error of `COMMIT`, or of a statement that is a transaction of its own. An error that the server reports ends the
/// transaction before anything is written, even if the server ends the session: it may have done so long before, and once it
/// commits, it does so without a report. If the connection is lost instead, the change may have been made, and so it may if
/// a pooler lost its own, or if the server itself is about to crash: what it has written is replayed.
pub(super) fn at_end(error: sqlx::Error) -> StoreError {
    match state_of(&error) {
        Some(_) if is_panic(&error) => StoreError::OutcomeUnknown(Box::new(error)),
        Some(state::INVALID_TEXT) => StoreError::Unavailable(Box::new(NotSerializable(error))),
        Some(state) if state != state::CRASH_SHUTDOWN && !state.starts_with(state::CONNECTION_CLASS) => {
            of_statement(error)
        }
        _ => StoreError::OutcomeUnknown(Box::new(error)),
    }
}

/// Whether the connection is unusable: lost, or to a server that takes no writes.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match state_of(error) {
        Some(state) => is_loss(state),
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)),
    }
}

/// The error for an answer that came too late.
pub(super) fn overdue() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}

fn is_loss(state: &str) -> bool {
    matches!(state, state::READ_ONLY_TRANSACTION | state::FEATURE_NOT_SUPPORTED)
        || state.starts_with(state::CONNECTION_CLASS)
        || state::OPERATOR_INTERVENTION.contains(&state)
}

/// Whether another process did the same at the same time, as far as the error shows.
pub(super) fn is_race(error: &sqlx::Error) -> bool {
    state_of(error).is_some_and(|state| {
        matches!(state, state::SERIALIZATION_FAILURE | state::DEADLOCK_DETECTED | state::DUPLICATE_TABLE)
            || state.starts_with(state::CONSTRAINT_CLASS)
    })
}

/// Whether the table does not exist.
pub(super) fn is_undefined_table(error: &sqlx::Error) -> bool {
    state_of(error) == Some(state::UNDEFINED_TABLE)
}

/// Whether the user lacks the privilege.
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    state_of(error) == Some(state::INSUFFICIENT_PRIVILEGE)
}
