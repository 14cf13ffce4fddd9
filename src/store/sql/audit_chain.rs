//! The order of the audit log, and the hash chain over it.
//!
//! An event is written without a position, so that writers do not wait for each other. Committed events get positions
//! later, in transactions that first lock the single row of `audit_cut` and so exclude each other.

use async_trait::async_trait;

use super::change_events::{placed, position};
use super::rows::{self, Read};
use super::{Row, SqlStore, Statement, Transaction, audit_events, sql};
use crate::domain::audit_chain::{BrokenChain, ChainCheck, ChainHash, Checkpoint, Cut, EventFields, Seal, SealVerdict};
use crate::domain::audit_event::AuditEvent;
use crate::domain::audit_filter::AuditFilter;
use crate::domain::change_event::Position;
use crate::domain::names::{FreeName, TenantName};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::meter::StoreWork;
use crate::ports::store::{AuditEventPage, AuditLog, AuditRange, UnreadableEvent};
use crate::ports::{AuditSealer, StoreError};

/// Maximum number of events in a range, and of events that one transaction checks and removes.
const AT_ONCE: i64 = 500;
/// Maximum number of ranges that one transaction removes.
const RANGES_AT_ONCE: i64 = 100;

#[async_trait]
impl AuditLog for SqlStore {
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError> {
        self.record_in_group(event).await
    }

    async fn close_audit_range(&self, now: Timestamp, sealer: &dyn AuditSealer) -> Result<bool, StoreError> {
        let waiting = sql("SELECT id FROM audit_event WHERE position IS NULL ORDER BY at, id LIMIT 1");
        if self.read_first(waiting).await?.is_none() {
            return Ok(false);
        }
        self.upkeep(StoreWork::CloseAuditRange).run(|transaction| Box::pin(close(transaction, now, sealer))).await
    }

    async fn audit_events(
        &self,
        filter: &AuditFilter,
        after: Position,
        most: u32,
    ) -> Result<AuditEventPage, StoreError> {
        /// One statement reads one snapshot: the kept positions, and events by the index that fits best.
        macro_rules! page {
            ($condition:literal, $after:literal, $most:literal) => {
                sql(concat!(
                    "SELECT c.last AS purged,
                         coalesce((SELECT k.last FROM audit_checkpoint k WHERE k.last >= 1 ORDER BY k.last DESC LIMIT 1), c.last) AS last,
                         e.*
                     FROM audit_cut c LEFT JOIN (
                         SELECT * FROM audit_event WHERE ",
                    $condition,
                    "position > ",
                    $after,
                    " ORDER BY position LIMIT ",
                    $most,
                    "
                     ) e ON 1 = 1
                     WHERE c.only_row = 1 ORDER BY e.position"
                ))
            };
        }
        let select = match filter {
            AuditFilter { subject: Some(subject), .. } => page!("subject_id = $1 AND ", "$2", "$3").bind(*subject),
            AuditFilter { caller: Some(caller), .. } => {
                page!("caller_name = $1 AND coalesce(caller_tenant, '') = $2 AND ", "$3", "$4")
                    .bind(caller.name())
                    .bind(caller.tenant().map_or("", TenantName::as_str))
            }
            AuditFilter { tenant: Some(tenant), .. } => page!("tenant_id = $1 AND ", "$2", "$3").bind(*tenant),
            AuditFilter { outcome: Some(outcome), .. } => page!("outcome = $1 AND ", "$2", "$3").bind(*outcome),
            _ => page!("", "$1", "$2"),
        };
        let found = self.read(select.bind(after).bind(most)).await?;
        super::change_events::page(&found, most, |row| {
            let tenant = || rows::optional_uuid(row, "tenant_id").ok().flatten().map(TenantId);
            Ok(audit_events::event(row).map_err(|_| UnreadableEvent { tenant: tenant() }))
        })
    }

    async fn audit_position_before(&self, time: Timestamp) -> Result<Position, StoreError> {
        let first = sql("SELECT first FROM audit_checkpoint WHERE latest_at >= $1 ORDER BY latest_at, last LIMIT 1");
        match self.read_first(first.bind(time)).await? {
            Some(row) => Ok(Position(position(&row, "first")?.0.saturating_sub(1))),
            None => Ok(self.audit_events(&AuditFilter::default(), Position(0), 0).await?.kept.last),
        }
    }

    async fn audit_cut(&self) -> Result<Cut, StoreError> {
        let row = self.read_first(sql("SELECT * FROM audit_cut WHERE only_row = 1")).await?;
        cut(&row.ok_or_else(|| rows::damaged("audit_cut"))?)
    }

    async fn audit_range(&self, after: Position) -> Result<Option<AuditRange>, StoreError> {
        let select = sql("SELECT k.first, k.last, k.closed_at, k.latest_at, k.hash, k.key_id, k.signature, e.*
             FROM (SELECT * FROM audit_checkpoint WHERE last > $1 ORDER BY last LIMIT 1) k
             LEFT JOIN audit_event e ON e.position > $1 AND e.position <= k.last
             ORDER BY e.position");
        let found = self.read(select.bind(after)).await?;
        let Some(first) = found.first() else { return Ok(None) };
        let mut unreadable = placed(&found, |row| Ok(audit_events::event(row).is_err()))?;
        unreadable.retain(|(_, is_unreadable)| *is_unreadable);
        Ok(Some(AuditRange {
            checkpoint: checkpoint(first)?,
            events: stored(&found)?,
            unreadable: unreadable.into_iter().map(|(position, _)| position).collect(),
        }))
    }

    async fn remove_old_audit_events(&self, before: Timestamp, sealer: &dyn AuditSealer) -> Result<bool, StoreError> {
        let first = self.read_first(first_ranges(1)).await?.as_ref().map(checkpoint).transpose()?;
        if first.is_none_or(|range| range.latest_at >= before) {
            return Ok(false);
        }
        let removal = self.upkeep(StoreWork::RemoveOldAuditEvents);
        removal.run(|transaction| Box::pin(remove(transaction, before, sealer))).await
    }
}

async fn close(
    transaction: &mut dyn Transaction,
    now: Timestamp,
    sealer: &dyn AuditSealer,
) -> Result<bool, StoreError> {
    let begin = locked_cut(transaction).await?;
    let last = sql("SELECT * FROM audit_checkpoint WHERE last >= 1 ORDER BY last DESC LIMIT 1");
    let before = transaction.fetch_first(last).await?.as_ref().map(checkpoint).transpose()?;
    let (last, hash) = before.as_ref().map_or((begin.last, begin.hash), |before| (before.last, before.hash));
    let give = sql("UPDATE audit_event SET position = w.place + $1
             FROM (
                 SELECT f.id AS waiting_id, row_number() OVER (ORDER BY f.at, f.id) AS place
                 FROM (
                     SELECT id, at FROM audit_event WHERE position IS NULL ORDER BY at, id LIMIT $2
                 ) f
             ) w
             WHERE audit_event.id = w.waiting_id");
    let count = transaction.execute(give.bind(last).bind(AT_ONCE)).await?;
    let given = sql("SELECT * FROM audit_event WHERE position > $1 ORDER BY position LIMIT $2");
    let given = transaction.fetch(given.bind(last).bind(AT_ONCE)).await?;
    let events = stored(&given)?;
    let times = given.iter().filter_map(|row| rows::time(row, "at").ok());
    let latest = times.chain(before.map(|before| before.latest_at)).max();
    let (Some((first, _)), Some((end, _)), Some(latest_at)) = (events.first(), events.last(), latest) else {
        return Ok(false);
    };
    let mut range =
        Checkpoint { first: *first, last: *end, closed_at: now, latest_at, hash: ChainHash([0; 32]), seal: None };
    range.hash = range.hash_of(hash, events.iter().map(|(_, fields)| fields));
    range.seal = sealer.seal(&range.sealed_bytes());
    let insert = sql("INSERT INTO audit_checkpoint (first, last, closed_at, latest_at, hash, key_id, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let (key, signature) = parts(range.seal.as_ref());
    let insert = insert.bind(range.first).bind(range.last).bind(range.closed_at).bind(range.latest_at);
    transaction.execute(insert.bind(range.hash.0).bind(key).bind(signature)).await?;
    Ok(i64::try_from(count).is_ok_and(|count| count >= AT_ONCE))
}

/// Removes the oldest ranges, and moves the cut to their end. Their events have to be those that their checkpoints cover:
/// otherwise the signed cut would hide an alteration for good.
async fn remove(
    transaction: &mut dyn Transaction,
    before: Timestamp,
    sealer: &dyn AuditSealer,
) -> Result<bool, StoreError> {
    let begin = locked_cut(transaction).await?;
    let first = transaction.fetch(first_ranges(RANGES_AT_ONCE)).await?;
    let first = first.iter().map(checkpoint).collect::<Read<Vec<_>>>()?;
    let is_old = |range: &&Checkpoint| range.latest_at < before;
    let most = begin.last.0 + u64::try_from(AT_ONCE).unwrap_or_default();
    let old: Vec<_> = first.iter().take_while(is_old).take_while(|range| range.last.0 <= most).collect();
    let Some(end) = old.last() else {
        // No range is larger than what is removed at a time.
        return if first.first().is_some_and(|range| is_old(&range)) { Err(rows::damaged("last")) } else { Ok(false) };
    };
    let events = sql("DELETE FROM audit_event WHERE position > $1 AND position <= $2 RETURNING *");
    let events = stored(&transaction.fetch(events.bind(begin.last).bind(end.last)).await?)?;
    check(&begin, &old, &events)
        .map_err(|broken| StoreError::Damaged(format!("audit log: {broken}; run `audit verify`")))?;
    transaction.execute(sql("DELETE FROM audit_checkpoint WHERE last <= $1").bind(end.last)).await?;

    let mut cut = Cut { last: end.last, hash: end.hash, seal: None };
    cut.seal = sealer.seal(&cut.sealed_bytes());
    let moved = sql("UPDATE audit_cut SET last = $1, hash = $2, key_id = $3, signature = $4 WHERE only_row = 1");
    let (key, signature) = parts(cut.seal.as_ref());
    transaction.execute(moved.bind(cut.last).bind(cut.hash.0).bind(key).bind(signature)).await?;
    let next = first.get(old.len());
    Ok(next.map_or(i64::try_from(first.len()) == Ok(RANGES_AT_ONCE), |range| is_old(&range)))
}

/// Checks ranges that begin after a cut. Not their seals: the keys of before may be gone.
fn check(cut: &Cut, ranges: &[&Checkpoint], mut events: &[(Position, EventFields)]) -> Result<(), BrokenChain> {
    let mut check = ChainCheck::after(cut, None, |_: &[u8], _: &Seal| SealVerdict::Unchecked)?;
    for range in ranges {
        let (inside, after) = events.split_at(events.partition_point(|(position, _)| *position <= range.last));
        check.range(range, inside)?;
        events = after;
    }
    Ok(())
}

/// The first ranges.
fn first_ranges(most: i64) -> Statement {
    sql("SELECT * FROM audit_checkpoint WHERE last >= 1 ORDER BY last LIMIT $1").bind(most)
}

/// The cut. Until the transaction ends, no other closes or removes ranges.
async fn locked_cut(transaction: &mut dyn Transaction) -> Result<Cut, StoreError> {
    let lock = Statement::of_parts(&["SELECT * FROM audit_cut WHERE only_row = 1", transaction.for_update()]);
    cut(&transaction.fetch_first(lock).await?.ok_or_else(|| rows::damaged("audit_cut"))?)
}

/// The events of rows as they are stored, in order.
fn stored(found: &[Row]) -> Read<Vec<(Position, EventFields)>> {
    let mut events = placed(found, |row| Ok(audit_events::fields(row)))?;
    events.sort_by_key(|(position, _)| *position);
    Ok(events)
}

fn parts(seal: Option<&Seal>) -> (Option<&str>, Option<&[u8]>) {
    (seal.map(|seal| seal.key.as_str()), seal.map(|seal| seal.signature.as_slice()))
}

/// Reads a checkpoint from a row with all its columns.
pub(super) fn checkpoint(row: &Row) -> Read<Checkpoint> {
    Ok(Checkpoint {
        first: position(row, "first")?,
        last: position(row, "last")?,
        closed_at: rows::time(row, "closed_at")?,
        latest_at: rows::time(row, "latest_at")?,
        hash: hash(row)?,
        seal: seal(row)?,
    })
}

/// Reads the cut from a row with all its columns.
pub(super) fn cut(row: &Row) -> Read<Cut> {
    Ok(Cut { last: position(row, "last")?, hash: hash(row)?, seal: seal(row)? })
}

fn hash(row: &Row) -> Read<ChainHash> {
    rows::digest(row, "hash").map(ChainHash)
}

fn seal(row: &Row) -> Read<Option<Seal>> {
    let key = rows::optional(row, "key_id", |text| FreeName::parse(text).ok())?;
    key.map(|key| Ok(Seal { key, signature: row.bytes("signature")?.to_owned() })).transpose()
}
