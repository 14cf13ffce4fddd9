//! Changes remembered under their client tokens.

use super::rows::{self, Read};
use super::upkeep::AT_ONCE;
use super::{Row, Statement, Step, Transaction, sql};
use crate::domain::client_token::{ClientTokenKey, REMEMBERED_FOR, RememberedChange};
use crate::domain::credential::ExpectedVersion;
use crate::domain::subject::SubjectId;
use crate::domain::time::{Timestamp, Window};
use crate::ports::StoreError;

/// Selects a remembered change.
pub(super) fn select(subject: SubjectId, token: &ClientTokenKey) -> Statement {
    sql("SELECT version, expected_version, started_at, length FROM client_token
         WHERE subject_id = $1 AND token_key = $2")
    .bind(subject)
    .bind(token.0)
}

/// Remembers a change.
pub(super) fn remember(subject: SubjectId, token: &ClientTokenKey, change: &RememberedChange) -> Step {
    let insert = Step::change(
        "INSERT INTO client_token (subject_id, token_key, version, expected_version, started_at, length)
         SELECT $1, $2, CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT) WHERE TRUE",
    );
    let insert = insert.then(
        " ON CONFLICT (subject_id, token_key)
         DO UPDATE SET version = excluded.version, expected_version = excluded.expected_version,
             started_at = excluded.started_at, length = excluded.length",
    );
    let insert = insert.bind(subject).bind(token.0).bind(change.version).bind(change.expected_version);
    insert.bind(change.window.start).bind(change.window.length)
}

/// Removes a batch of expired entries. Returns the number removed.
pub(super) async fn remove_old(transaction: &mut dyn Transaction, now: Timestamp) -> Result<u64, StoreError> {
    let over = now.before(Window::from(now, REMEMBERED_FOR).length);
    // An entry that was remembered again meanwhile stays. `+ 0` keeps the planner from finding all old entries by this
    // condition.
    let delete = sql("DELETE FROM client_token WHERE started_at + 0 <= $1 AND (subject_id, token_key) IN (
             SELECT subject_id, token_key FROM client_token
             WHERE started_at <= $1 ORDER BY started_at LIMIT $2
         )");
    transaction.execute(delete.bind(over).bind(AT_ONCE)).await
}

/// Reads a change from a row with all columns.
pub(super) fn remembered(row: &Row) -> Read<RememberedChange> {
    let expected = row.optional_integer("expected_version")?;
    let expected = expected.map(|number| u64::try_from(number).map_err(|_| rows::damaged("expected_version")));
    Ok(RememberedChange {
        version: rows::version(row, "version")?,
        expected_version: expected.transpose()?.map(ExpectedVersion),
        window: rows::window(row, "started_at", "length")?,
    })
}
