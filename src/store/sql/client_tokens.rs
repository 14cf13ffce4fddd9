//! Changes remembered under their client tokens.

use super::rows::{self, Read};
use super::upkeep::AT_ONCE;
use super::{Row, SqlStore, Transaction, sql};
use crate::domain::client_token::{ClientTokenKey, REMEMBERED_FOR, RememberedChange};
use crate::domain::credential::ExpectedVersion;
use crate::domain::subject::SubjectId;
use crate::domain::time::{Timestamp, Window};
use crate::ports::StoreError;
use crate::ports::store::Commit;

/// Reads a remembered change.
pub(super) async fn read(
    store: &SqlStore,
    subject: SubjectId,
    token: &ClientTokenKey,
) -> Result<Option<RememberedChange>, StoreError> {
    let select = sql("SELECT version, expected_version, started_at, length FROM client_token
                 WHERE subject_id = $1 AND token_key = $2");
    let row = store.read_first(select.bind(subject).bind(token.0)).await?;
    row.map(|row| remembered(&row)).transpose()
}

/// Remembers a change if its caller asks for that.
pub(super) async fn remember(transaction: &mut dyn Transaction, commit: &Commit) -> Result<(), StoreError> {
    let Some((token, change)) = &commit.remember else { return Ok(()) };
    let insert = sql("INSERT INTO client_token (subject_id, token_key, version, expected_version, started_at, length)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (subject_id, token_key)
         DO UPDATE SET version = excluded.version, expected_version = excluded.expected_version,
             started_at = excluded.started_at, length = excluded.length");
    let insert = insert.bind(commit.subject).bind(token.0).bind(change.version).bind(change.expected_version);
    transaction.execute(insert.bind(change.window.start).bind(change.window.length)).await.map(drop)
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
