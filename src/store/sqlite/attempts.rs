//! Wrong passwords in a row.

use std::time::Duration;

use sqlx::{Row, SqliteConnection};

use super::rows;
use super::{SqliteStore, finish};
use crate::domain::attempts::{Pair, StoredFailures, SubjectKey};
use crate::domain::time::{Timestamp, days};
use crate::ports::StoreError;

/// How long failures are kept. Far longer than any wait; nobody else removes those of a subject that is gone, because
/// they are kept under a digest.
const KEPT: Duration = days(7);
/// How many pairs are removed with one failure: more than are added, so that they can't pile up.
const REMOVED_AT_ONCE: i64 = 4;

/// Reads what is stored.
pub(super) async fn read(store: &SqliteStore, pair: &Pair) -> Result<StoredFailures, StoreError> {
    let row = sqlx::query(
        "SELECT s.count AS all_count, s.last_at AS all_last_at, p.count, p.last_at
         FROM subject_failures s
         LEFT JOIN pair_failures p ON p.subject_key = s.subject_key AND p.caller_key = $2
         WHERE s.subject_key = $1",
    )
    .bind(&pair.subject.0[..])
    .bind(&pair.caller.0[..])
    .fetch_optional(&store.readers)
    .await?;
    let Some(row) = row else { return Ok(StoredFailures::default()) };
    Ok(StoredFailures {
        by_caller: rows::failures(&row, "count", "last_at")?,
        by_all: rows::failures(&row, "all_count", "all_last_at")?,
    })
}

/// Counts one more for the pair and for the subject, and removes some of what is too old.
pub(super) async fn count(connection: &mut SqliteConnection, pair: &Pair, at: Timestamp) -> Result<(), StoreError> {
    remove_old(connection, at).await?;
    sqlx::query(
        "INSERT INTO pair_failures (subject_key, caller_key, count, last_at) VALUES ($1, $2, 1, $3)
         ON CONFLICT (subject_key, caller_key)
         DO UPDATE SET count = pair_failures.count + 1, last_at = excluded.last_at",
    )
    .bind(&pair.subject.0[..])
    .bind(&pair.caller.0[..])
    .bind(at.as_micros())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO subject_failures (subject_key, count, last_at) VALUES ($1, 1, $2)
         ON CONFLICT (subject_key)
         DO UPDATE SET count = subject_failures.count + 1, last_at = excluded.last_at",
    )
    .bind(&pair.subject.0[..])
    .bind(at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets the pair's failures in a transaction of their own. Most successes follow no failure: those write nothing.
pub(super) async fn forget_alone(store: &SqliteStore, pair: &Pair) -> Result<(), StoreError> {
    if read(store, pair).await?.by_caller.count == 0 {
        return Ok(());
    }
    let mut transaction = store.begin().await?;
    forget(&mut transaction, pair).await?;
    finish(transaction).await
}

/// Forgets the pair's failures and takes as many from the subject's.
pub(super) async fn forget(connection: &mut SqliteConnection, pair: &Pair) -> Result<(), StoreError> {
    let removed: Option<i64> =
        sqlx::query_scalar("DELETE FROM pair_failures WHERE subject_key = $1 AND caller_key = $2 RETURNING count")
            .bind(&pair.subject.0[..])
            .bind(&pair.caller.0[..])
            .fetch_optional(&mut *connection)
            .await?;
    match removed {
        Some(count) => take_from_subject(connection, &pair.subject.0, count).await,
        None => Ok(()),
    }
}

/// Forgets everybody's failures for the subject.
pub(super) async fn forget_all(connection: &mut SqliteConnection, subject: &SubjectKey) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM pair_failures WHERE subject_key = $1", "DELETE FROM subject_failures WHERE subject_key = $1"]
    {
        sqlx::query(statement).bind(&subject.0[..]).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn remove_old(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
    let before = now.as_micros().saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX));
    let removed = sqlx::query(
        "DELETE FROM pair_failures
         WHERE (subject_key, caller_key) IN (
             SELECT subject_key, caller_key FROM pair_failures WHERE last_at < $1 ORDER BY last_at LIMIT $2
         )
         RETURNING subject_key, count",
    )
    .bind(before)
    .bind(REMOVED_AT_ONCE)
    .fetch_all(&mut *connection)
    .await?;
    for row in removed {
        let subject_key: Vec<u8> = row.try_get("subject_key")?;
        take_from_subject(connection, &subject_key, row.try_get("count")?).await?;
    }
    Ok(())
}

async fn take_from_subject(connection: &mut SqliteConnection, key: &[u8], count: i64) -> Result<(), StoreError> {
    let left = sqlx::query("UPDATE subject_failures SET count = count - $2 WHERE subject_key = $1 AND count > $2")
        .bind(key)
        .bind(count)
        .execute(&mut *connection)
        .await?;
    if left.rows_affected() == 0 {
        sqlx::query("DELETE FROM subject_failures WHERE subject_key = $1").bind(key).execute(connection).await?;
    }
    Ok(())
}
