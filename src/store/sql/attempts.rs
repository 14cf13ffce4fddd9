//! Consecutive wrong passwords.

use async_trait::async_trait;

use super::directory::page_of;
use super::rows::{self, Read};
use super::upkeep::{AT_ONCE, is_full};
use super::{Row, SqlStore, Statement, Step, Transaction, audit_events, change_events, sql};
use crate::domain::attempts::{
    Backoff, CallerKey, Forget, KEPT_PAIRS, Pair, PairFailures, STOPPED_FOR, StoredFailures,
};
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::caller::Caller;
use crate::domain::change_event::ChangeKind;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{Attempts, Authority};

#[async_trait]
impl Attempts for SqlStore {
    async fn failures(&self, pair: &Pair) -> Result<StoredFailures, StoreError> {
        summed(&self.read(select(pair)).await?)
    }

    async fn record_failure(
        &self,
        pair: &Pair,
        at: Timestamp,
        limit: &Backoff,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let write = self.write(StoreWork::RecordFailure);
        write.run(|transaction| Box::pin(record(transaction, pair, at, limit, event))).await
    }

    async fn restart_waits(&self, pair: &Pair, now: Timestamp) -> Result<(), StoreError> {
        self.write(StoreWork::RestartWaits).run(|transaction| Box::pin(restart_waits(transaction, pair, now))).await
    }

    async fn forget_failures(&self, pair: &Pair) -> Result<(), StoreError> {
        // Most successes follow no failure; they write nothing.
        if self.failures(pair).await?.by_caller.count == 0 {
            return Ok(());
        }
        let of = Forget::Pair(*pair);
        self.write(StoreWork::ForgetFailures).run(|transaction| Box::pin(forget(transaction, &of))).await.map(drop)
    }

    async fn clear_failures(&self, of: &Forget, authority: &Authority) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::ClearFailures).authorized_by(authority);
        write.run(|transaction| Box::pin(forget(transaction, of))).await
    }

    async fn pairs_with_failures(&self, subject: &Pair, page: &PageRequest) -> Result<Page<PairFailures>, StoreError> {
        // The empty key comes before all others. No key follows a malformed one, which did not come from this program.
        let after = page.after.as_deref().map(|key| CallerKey::parse(key).unwrap_or(CallerKey([u8::MAX; 32])));
        let after = after.as_ref().map_or(&[] as &[u8], |key| &key.0);
        let select = sql("SELECT caller_key, CAST(sum(count) AS BIGINT) AS count, max(last_at) AS last_at,
                 max(stopped) AS stopped, max(caller_tenant) AS caller_tenant, max(caller_kind) AS caller_kind,
                 max(caller_name) AS caller_name, max(caller_subject_id) AS caller_subject_id
             FROM pair_failures WHERE subject_key IN ($1, $2) AND caller_key > $3
             GROUP BY caller_key ORDER BY caller_key LIMIT $4");
        let select = select.bind(subject.subject.0).bind(subject.name.unwrap_or(subject.subject).0).bind(after);
        let found = self.read(select.bind(i64::from(page.size) + 1)).await?;
        page_of(&found, page, pair_failures, |pair| pair.key.to_string())
    }
}

/// Selects the failures of a pair.
pub(super) fn select(pair: &Pair) -> Statement {
    // NULL is no pair: a subject's count.
    let select = sql("SELECT count, last_at, CAST(NULL AS BIGINT) AS stopped
             FROM subject_failures WHERE subject_key IN ($1, $2)
         UNION ALL SELECT count, last_at, stopped FROM pair_failures
         WHERE subject_key IN ($1, $2) AND caller_key = $3");
    select.bind(pair.subject.0).bind(pair.name.unwrap_or(pair.subject).0).bind(pair.caller.0)
}

/// The sum of the rows of [`select`].
pub(super) fn summed(found: &[Row]) -> Read<StoredFailures> {
    let mut sum = StoredFailures::default();
    for row in found {
        let (failures, stopped) = (rows::failures(row)?, row.optional_integer("stopped")?);
        let part = if stopped.is_some() { &mut sum.by_caller } else { &mut sum.by_all };
        *part = part.and(failures);
        sum.is_stopped |= stopped == Some(1);
    }
    Ok(sum)
}

/// Reads the failures of a pair from a row with all columns.
pub(super) fn pair_failures(row: &Row) -> Read<PairFailures> {
    let caller = row.optional_text("caller_kind")?;
    let read = |_| rows::caller(row, ["caller_tenant", "caller_kind", "caller_name", "caller_subject_id"]);
    Ok(PairFailures {
        key: CallerKey(rows::digest(row, "caller_key")?),
        caller: caller.map(read).transpose()?,
        failures: rows::failures(row)?,
        is_stopped: row.integer("stopped")? == 1,
    })
}

/// Adds one failure, and the event of a wait that it begins.
async fn record(
    transaction: &mut dyn Transaction,
    pair: &Pair,
    at: Timestamp,
    limit: &Backoff,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    let Counted { own, on_name, was_stopped } = count(transaction, pair, at, limit, &event.caller).await?;
    let count = rows::saturating(own).saturating_add(on_name);
    let wait = limit.length(count);
    let is_stopped = limit.stops(count);
    if is_stopped {
        let update = sql("UPDATE pair_failures SET stopped = 1 WHERE subject_key = $1 AND caller_key = $2");
        transaction.execute(update.bind(pair.subject.0).bind(pair.caller.0)).await?;
    }
    // A pair that is stopped guesses no more, so its failures slow no others.
    if is_stopped || was_stopped {
        take_from_subject(transaction, &pair.subject.0, if was_stopped { 1 } else { own }).await?;
    }
    let is_reported = (is_stopped || !wait.is_zero()) && event.outcome != AuditOutcome::Undecided;
    if let Some(subject) = event.subject.filter(|_| is_reported) {
        let locked = ChangeKind::Locked { until: (!is_stopped).then(|| at.after(wait)) };
        change_events::insert(transaction, subject, event.id, at, locked).await?;
    }
    audit_events::insert(transaction, event).await
}

/// The failures of a pair after one more.
struct Counted {
    own: i64,
    on_name: u32,
    was_stopped: bool,
}

/// Adds one failure to the pair and to the subject.
async fn count(
    transaction: &mut dyn Transaction,
    pair: &Pair,
    at: Timestamp,
    limit: &Backoff,
    caller: &Caller,
) -> Result<Counted, StoreError> {
    let mut on_name = 0;
    for key in pair.each() {
        if key.subject == pair.subject {
            let insert = sql("INSERT INTO subject_failures (subject_key, count, last_at) VALUES ($1, 1, $2)
                 ON CONFLICT (subject_key)
                 DO UPDATE SET count = subject_failures.count + 1, last_at = excluded.last_at");
            transaction.execute(insert.bind(pair.subject.0).bind(at)).await?;
        }
        forget_until(transaction, &key, at.before(limit.counts_for), at.before(STOPPED_FOR)).await?;
        if pair.name == Some(key.subject) {
            on_name = count_of(transaction, &key).await?;
        }
    }
    let insert = sql("INSERT INTO pair_failures
             (subject_key, caller_key, count, last_at, caller_tenant, caller_kind, caller_name, caller_subject_id)
         VALUES ($1, $2, 1, $3, $4, $5, $6, $7)
         ON CONFLICT (subject_key, caller_key)
         DO UPDATE SET count = pair_failures.count + 1, last_at = excluded.last_at
         RETURNING count, stopped");
    let insert = insert.bind(pair.subject.0).bind(pair.caller.0).bind(at);
    let insert = insert.bind(caller.tenant()).bind(caller.kind()).bind(caller.name()).bind(caller.subject_id());
    let counted = transaction.fetch_first(insert).await?.ok_or_else(|| rows::damaged("count"))?;
    let (own, was_stopped) = (counted.integer("count")?, counted.integer("stopped")? == 1);
    if own == 1 {
        forget_surplus(transaction, pair).await?;
    }
    Ok(Counted { own, on_name, was_stopped })
}

/// Sets the times of failures that are later than now to now.
async fn restart_waits(transaction: &mut dyn Transaction, pair: &Pair, now: Timestamp) -> Result<(), StoreError> {
    for key in pair.each() {
        let subject = sql("UPDATE subject_failures SET last_at = $2 WHERE subject_key = $1 AND last_at > $2");
        transaction.execute(subject.bind(key.subject.0).bind(now)).await?;
        let pair = sql("UPDATE pair_failures SET last_at = $3
             WHERE subject_key = $1 AND caller_key = $2 AND last_at > $3");
        transaction.execute(pair.bind(key.subject.0).bind(key.caller.0).bind(now)).await?;
    }
    Ok(())
}

/// Forgets the failures of the pairs of the subject beyond those that are kept.
async fn forget_surplus(transaction: &mut dyn Transaction, pair: &Pair) -> Result<(), StoreError> {
    let delete = sql("DELETE FROM pair_failures WHERE subject_key = $1 AND caller_key IN (
             SELECT caller_key FROM (
                 SELECT caller_key, row_number() OVER (ORDER BY last_at DESC, caller_key) AS by_time,
                     row_number() OVER (ORDER BY stopped DESC, count * (1 - stopped) DESC, last_at, caller_key) AS by_count
                 FROM pair_failures WHERE subject_key = $1
             ) placed
             WHERE by_time > $2 AND by_count > $2 LIMIT $3
         ) RETURNING count * (1 - stopped) AS count");
    let surplus = delete.bind(pair.subject.0).bind(i64::from(KEPT_PAIRS / 2)).bind(AT_ONCE);
    let surplus = transaction.fetch(surplus).await?;
    let count = surplus.iter().map(|row| row.integer("count")).sum::<Result<i64, _>>()?;
    if count == 0 { Ok(()) } else { take_from_subject(transaction, &pair.subject.0, count).await }
}

async fn count_of(transaction: &mut dyn Transaction, pair: &Pair) -> Result<u32, StoreError> {
    let select = sql("SELECT count FROM pair_failures WHERE subject_key = $1 AND caller_key = $2");
    let found = transaction.fetch_first(select.bind(pair.subject.0).bind(pair.caller.0)).await?;
    Ok(found.map(|row| row.integer("count").map(rows::saturating)).transpose()?.unwrap_or_default())
}

/// Deletes the failures of a pair, and subtracts them from the subject's count; or those of all callers. Returns
/// whether there were any.
pub(super) async fn forget(transaction: &mut dyn Transaction, of: &Forget) -> Result<bool, StoreError> {
    let mut any = false;
    for (step, is_of_pairs) in forget_steps(of) {
        any |= step.run(transaction).await? > 0 && is_of_pairs;
    }
    Ok(any)
}

/// The same as steps, and whether each deletes pairs. Each locks the subject's count before the pairs.
pub(super) fn forget_steps(of: &Forget) -> impl Iterator<Item = (Step, bool)> {
    let (Forget::Pair(pair) | Forget::Subject(pair)) = of;
    let is_pair = matches!(of, Forget::Pair(_));
    pair.each().flat_map(move |key| {
        let of_key = |text| Step::change(text).bind(key.subject.0);
        if !is_pair {
            let subject = of_key("DELETE FROM subject_failures WHERE subject_key = $1");
            return vec![(subject, false), (of_key("DELETE FROM pair_failures WHERE subject_key = $1"), true)];
        }
        let of_pair = |text| of_key(text).bind(key.caller.0);
        // First where nothing is left, then where something is: no row is both.
        let all = "DELETE FROM subject_failures WHERE subject_key = $1 AND count <= (
             SELECT p.count * (1 - p.stopped) FROM pair_failures p WHERE p.subject_key = $1 AND p.caller_key = $2)";
        let some = "UPDATE subject_failures SET count = count - (
             SELECT p.count * (1 - p.stopped) FROM pair_failures p WHERE p.subject_key = $1 AND p.caller_key = $2)
             WHERE subject_key = $1 AND count > (
             SELECT p.count * (1 - p.stopped) FROM pair_failures p WHERE p.subject_key = $1 AND p.caller_key = $2)";
        let pairs = "DELETE FROM pair_failures WHERE subject_key = $1 AND caller_key = $2";
        vec![(of_pair(all), false), (of_pair(some), false), (of_pair(pairs), true)]
    })
}

/// Deletes the failures of a pair under one key, and subtracts them from that subject's count, if the last one was before
/// the first of these times, or before the second if the pair is stopped.
async fn forget_until(
    transaction: &mut dyn Transaction,
    pair: &Pair,
    counted: Timestamp,
    stopped: Timestamp,
) -> Result<(), StoreError> {
    lock_subject(transaction, &pair.subject.0).await?;
    let delete = sql("DELETE FROM pair_failures WHERE subject_key = $1 AND caller_key = $2
             AND last_at < CASE stopped WHEN 0 THEN $3 ELSE $4 END
         RETURNING count * (1 - stopped) AS count");
    let delete = delete.bind(pair.subject.0).bind(pair.caller.0).bind(counted).bind(stopped);
    match transaction.fetch_first(delete).await? {
        Some(row) => take_from_subject(transaction, &pair.subject.0, row.integer("count")?).await,
        None => Ok(()),
    }
}

/// Removes a batch of failures of which the last was before that time: of pairs that are stopped, or of those that are
/// not. Nothing else removes the failures of a deleted subject, because they are stored under a digest. Returns the number
/// removed.
pub(super) async fn remove_old(
    transaction: &mut dyn Transaction,
    stopped: bool,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let (stopped, before) = (i64::from(stopped), before.as_micros());
    let subjects = sql("SELECT DISTINCT subject_key FROM (
             SELECT subject_key FROM pair_failures WHERE stopped = $1 AND last_at < $2 ORDER BY last_at LIMIT $3
         ) old ORDER BY subject_key");
    let mut removed = 0;
    for subject in transaction.fetch(subjects.bind(stopped).bind(before).bind(AT_ONCE)).await? {
        let key = subject.bytes("subject_key")?;
        // Counted once more meanwhile: the row of a subject whose pairs are all stopped does not exist, and only one that does
        // is locked.
        let lock = sql("INSERT INTO subject_failures (subject_key, count, last_at) VALUES ($1, 1, $2)
             ON CONFLICT (subject_key) DO UPDATE SET count = subject_failures.count + 1");
        transaction.execute(lock.bind(key).bind(before)).await?;
        // `+`: so that the subject's own rows are searched, and not all that are old.
        let old = sql("DELETE FROM pair_failures WHERE subject_key = $1 AND caller_key IN (
                 SELECT caller_key FROM pair_failures WHERE subject_key = $1 AND +stopped = $2 AND last_at < $3
                 ORDER BY caller_key LIMIT $4
             ) RETURNING count * (1 - stopped) AS count");
        let old = transaction.fetch(old.bind(key).bind(stopped).bind(before).bind(AT_ONCE)).await?;
        let count = old.iter().map(|row| row.integer("count")).sum::<Result<i64, _>>()?;
        take_from_subject(transaction, key, count + 1).await?;
        removed += old.len() as u64;
        // A subject may have many callers.
        if is_full(removed) {
            break;
        }
    }
    Ok(removed)
}

/// Locks the subject's count until the transaction ends: before any of its pairs, and those of several subjects in the order
/// of their keys, so that transactions can't wait for each other in a circle.
async fn lock_subject(transaction: &mut dyn Transaction, key: &[u8]) -> Result<(), StoreError> {
    let count = ["SELECT count FROM subject_failures WHERE subject_key = $1", transaction.for_update()];
    transaction.fetch_first(Statement::of_parts(&count).bind(key)).await.map(drop)
}

/// Subtracts failures of pairs that are not stopped.
async fn take_from_subject(transaction: &mut dyn Transaction, key: &[u8], count: i64) -> Result<(), StoreError> {
    let update = sql("UPDATE subject_failures SET count = count - $2 WHERE subject_key = $1 AND count > $2");
    let left = transaction.execute(update.bind(key).bind(count)).await?;
    if left == 0 {
        transaction.execute(sql("DELETE FROM subject_failures WHERE subject_key = $1").bind(key)).await?;
    }
    Ok(())
}
