//! Wrong passwords in a row.

use std::time::Duration;

use super::rows;
use super::{SqlStore, Transaction, sql};
use crate::domain::attempts::{Pair, StoredFailures, SubjectKey};
use crate::domain::time::{Timestamp, days};
use crate::ports::StoreError;

/// How long failures are kept. Far longer than any wait; nobody else removes those of a subject that is gone, because
/// they are kept under a digest.
const KEPT: Duration = days(7);
/// How many pairs are removed with one failure: more than are added, so that they can't pile up.
const REMOVED_AT_ONCE: i64 = 4;

/// Reads what is stored.
pub(super) async fn read(store: &SqlStore, pair: &Pair) -> Result<StoredFailures, StoreError> {
    let row = store
        .read_first(
            sql("SELECT s.count AS all_count, s.last_at AS all_last_at, p.count, p.last_at
         FROM subject_failures s
         LEFT JOIN pair_failures p ON p.subject_key = s.subject_key AND p.caller_key = $2
         WHERE s.subject_key = $1")
            .bind(&pair.subject.0[..])
            .bind(&pair.caller.0[..]),
        )
        .await?;
    let Some(row) = row else { return Ok(StoredFailures::default()) };
    Ok(StoredFailures {
        by_caller: rows::failures(&row, "count", "last_at")?,
        by_all: rows::failures(&row, "all_count", "all_last_at")?,
    })
}

/// Counts one more for the pair and for the subject, and removes some of what is too old. Answers how many the pair has.
pub(super) async fn count(transaction: &mut dyn Transaction, pair: &Pair, at: Timestamp) -> Result<u32, StoreError> {
    remove_old(transaction, at).await?;
    let counted = transaction
        .fetch_first(
            sql("INSERT INTO pair_failures (subject_key, caller_key, count, last_at) VALUES ($1, $2, 1, $3)
         ON CONFLICT (subject_key, caller_key)
         DO UPDATE SET count = pair_failures.count + 1, last_at = excluded.last_at
         RETURNING count")
            .bind(&pair.subject.0[..])
            .bind(&pair.caller.0[..])
            .bind(at.as_micros()),
        )
        .await?;
    transaction
        .execute(
            sql("INSERT INTO subject_failures (subject_key, count, last_at) VALUES ($1, 1, $2)
         ON CONFLICT (subject_key)
         DO UPDATE SET count = subject_failures.count + 1, last_at = excluded.last_at")
            .bind(&pair.subject.0[..])
            .bind(at.as_micros()),
        )
        .await?;
    Ok(counted.map(|row| row.integer("count").map(rows::saturating)).transpose()?.unwrap_or_default())
}

/// Forgets the pair's failures in a transaction of their own. Most successes follow no failure: those write nothing.
pub(super) async fn forget_alone(store: &SqlStore, pair: &Pair) -> Result<(), StoreError> {
    if read(store, pair).await?.by_caller.count == 0 {
        return Ok(());
    }
    store.transact("forget_failures", |transaction| Box::pin(forget(transaction, pair))).await
}

/// Forgets the pair's failures and takes as many from the subject's.
pub(super) async fn forget(transaction: &mut dyn Transaction, pair: &Pair) -> Result<(), StoreError> {
    let removed = transaction
        .fetch_first(
            sql("DELETE FROM pair_failures WHERE subject_key = $1 AND caller_key = $2 RETURNING count")
                .bind(&pair.subject.0[..])
                .bind(&pair.caller.0[..]),
        )
        .await?;
    match removed {
        Some(row) => take_from_subject(transaction, &pair.subject.0, row.integer("count")?).await,
        None => Ok(()),
    }
}

/// Forgets everybody's failures for the subject.
pub(super) async fn forget_all(transaction: &mut dyn Transaction, subject: &SubjectKey) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM pair_failures WHERE subject_key = $1", "DELETE FROM subject_failures WHERE subject_key = $1"]
    {
        transaction.execute(sql(statement).bind(&subject.0[..])).await?;
    }
    Ok(())
}

async fn remove_old(transaction: &mut dyn Transaction, now: Timestamp) -> Result<(), StoreError> {
    let before = now.as_micros().saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX));
    let removed = transaction
        .fetch(
            sql("DELETE FROM pair_failures
         WHERE (subject_key, caller_key) IN (
             SELECT subject_key, caller_key FROM pair_failures WHERE last_at < $1 ORDER BY last_at LIMIT $2
         )
         RETURNING subject_key, count")
            .bind(before)
            .bind(REMOVED_AT_ONCE),
        )
        .await?;
    for row in removed {
        take_from_subject(transaction, row.bytes("subject_key")?, row.integer("count")?).await?;
    }
    Ok(())
}

async fn take_from_subject(transaction: &mut dyn Transaction, key: &[u8], count: i64) -> Result<(), StoreError> {
    let left = transaction
        .execute(
            sql("UPDATE subject_failures SET count = count - $2 WHERE subject_key = $1 AND count > $2")
                .bind(key)
                .bind(count),
        )
        .await?;
    if left == 0 {
        transaction.execute(sql("DELETE FROM subject_failures WHERE subject_key = $1").bind(key)).await?;
    }
    Ok(())
}
