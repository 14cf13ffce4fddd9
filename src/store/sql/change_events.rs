//! Change events.
//!
//! An event is written without a position. Committed events get positions later, in transactions that first lock the
//! single row of `change_position` and so exclude each other: a reader that sees a position sees all positions before
//! it. An import, which no other caller waits for, locks that row as its last step and assigns positions at once.

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::imports::insert_new;
use super::rows::{self, Read};
use super::{Insertion, Row, SqlStore, Step, Transaction, Value, sql, upkeep};
use crate::domain::change_event::{ChangeEvent, ChangeKind, KeptEvents, Position};
use crate::domain::credential::Version;
use crate::domain::names::TenantName;
use crate::domain::subject::SubjectId;
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{ChangeEventPage, ChangeEvents, ImportedSubject, Numbered};

/// Maximum number of events that one transaction numbers or removes.
const AT_ONCE: i64 = 500;

#[async_trait]
impl ChangeEvents for SqlStore {
    async fn number_change_events(&self) -> Result<Numbered, StoreError> {
        let select = sql("SELECT p.last, p.purged,
             (SELECT count(*) FROM (
                 SELECT 1 FROM change_event WHERE position IS NULL ORDER BY subject_id, number LIMIT 1
             ) w) AS waiting
             FROM change_position p WHERE p.only_row = 1");
        let row = self.read_first(select).await?.ok_or_else(|| rows::damaged("change_position"))?;
        if row.integer("waiting")? == 0 {
            return Ok(Numbered { kept: kept(&row)?, more: false });
        }
        self.upkeep(StoreWork::NumberChangeEvents).run(|transaction| Box::pin(number(transaction))).await
    }

    async fn change_events(&self, tenant: TenantId, after: Position, most: u32) -> Result<ChangeEventPage, StoreError> {
        // One statement reads one snapshot; two could miss a purge in between.
        let select = sql("SELECT p.last, p.purged, e.*
             FROM change_position p LEFT JOIN (
                 SELECT * FROM change_event WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT $3
             ) e ON 1 = 1
             WHERE p.only_row = 1 ORDER BY e.position");
        let found = self.read(select.bind(tenant).bind(after).bind(most)).await?;
        page(&found, most, event)
    }

    async fn all_change_events(
        &self,
        after: Position,
        most: u32,
    ) -> Result<ChangeEventPage<(TenantId, Option<ChangeEvent>)>, StoreError> {
        let select = sql("SELECT p.last, p.purged, e.*
             FROM change_position p LEFT JOIN (
                 SELECT * FROM change_event WHERE position > $1 ORDER BY position LIMIT $2
             ) e ON 1 = 1
             WHERE p.only_row = 1 ORDER BY e.position");
        let found = self.read(select.bind(after).bind(most)).await?;
        // An event whose tenant can't be read is no tenant's: it keeps no other event from its watches.
        page(&found, most, |row| Ok((tenant_id(row).unwrap_or(TenantId(Uuid::nil())), event(row).ok())))
    }

    async fn purge_change_events(&self, before: Timestamp) -> Result<bool, StoreError> {
        // Skip purged events explicitly: a database may still keep their rows for other transactions.
        let select = sql("SELECT position, at FROM change_event
             WHERE position > (SELECT p.purged FROM change_position p WHERE p.only_row = 1)
             ORDER BY position LIMIT $1");
        let first = self.read(select.bind(AT_ONCE)).await?;
        let mut last_old = None;
        let mut count = 0;
        for row in &first {
            if rows::time(row, "at")? >= before {
                break;
            }
            last_old = Some(row.integer("position")?);
            count += 1;
        }
        let (Some(first), Some(last_old)) = (first.first(), last_old) else { return Ok(false) };
        let first = first.integer("position")?;
        self.upkeep(StoreWork::PurgeChangeEvents)
            .run(|transaction| Box::pin(purge(transaction, first, last_old)))
            .await?;
        Ok(count == AT_ONCE)
    }
}

/// Adds the event of something that happens to a subject, in the same transaction. Adds none if the subject is gone.
pub(super) async fn insert(
    transaction: &mut dyn Transaction,
    subject: SubjectId,
    id: Uuid,
    at: Timestamp,
    kind: ChangeKind,
) -> Result<(), StoreError> {
    for step in steps(subject, id, at, kind, false) {
        step.run(transaction).await?;
    }
    Ok(())
}

/// The same as steps: the subject is locked, so that no other event gets the same number. If the change begins an overlap,
/// the event says until when it lasts.
pub(super) fn steps(subject: SubjectId, id: Uuid, at: Timestamp, kind: ChangeKind, begins_overlap: bool) -> [Step; 3] {
    let (version, until) = match kind {
        ChangeKind::Created { version } => (version, None),
        ChangeKind::Changed { version, overlap_until } | ChangeKind::Reset { version, overlap_until } => {
            (Some(version), overlap_until)
        }
        ChangeKind::Locked { until } => (None, until),
        ChangeKind::Deleted => (None, None),
    };
    let event = Step::change(
        "INSERT INTO change_event
             (subject_id, number, id, at, tenant_id, tenant, kind, instance, written, what, version, until)
         SELECT s.id, s.events + 1, $2, CAST($3 AS BIGINT), (SELECT t.id FROM tenant t WHERE t.name = s.tenant), s.tenant,
             s.kind, s.instance, s.written, $4, CAST($5 AS BIGINT),
             coalesce(CAST($6 AS BIGINT), CASE WHEN $7 * s.overlap > 0 THEN CAST($3 AS BIGINT) + s.overlap END)
         FROM subject s WHERE s.id = $1",
    );
    let event = event.bind(subject).bind(id).bind(at).bind(kind.as_str()).bind(version).bind(until);
    [
        Step::lock("SELECT s.id FROM subject s WHERE s.id = $1").bind(subject),
        event.bind(begins_overlap),
        Step::change("UPDATE subject SET events = events + 1 WHERE id = $1").bind(subject),
    ]
}

/// Adds the event of a subject's creation, its first, in the same transaction.
pub(super) async fn insert_created(transaction: &mut dyn Transaction, subject: SubjectId) -> Result<(), StoreError> {
    let event =
        sql("INSERT INTO change_event (subject_id, number, id, at, tenant_id, tenant, kind, instance, written, what, version)
         SELECT s.id, s.events, coalesce(c.change_id, s.id), s.created_at,
             (SELECT t.id FROM tenant t WHERE t.name = s.tenant), s.tenant, s.kind, s.instance, s.written, 'created',
             c.version
         FROM subject s LEFT JOIN credential c ON c.subject_id = s.id
         WHERE s.id = $1");
    transaction.execute(event.bind(subject)).await.map(drop)
}

const IMPORTED_COLUMNS: [&str; 12] = [
    "subject_id",
    "number",
    "id",
    "at",
    "tenant_id",
    "tenant",
    "kind",
    "instance",
    "written",
    "what",
    "version",
    "position",
];

/// Adds the first events of many subjects, with their positions, in the transaction that creates the subjects. The
/// transaction has to end soon after, because no other can assign positions meanwhile. `tenants` maps tenant names to
/// ids.
pub(super) async fn insert_imported(
    transaction: &mut dyn Transaction,
    imported: &[ImportedSubject],
    tenants: &HashMap<String, String>,
) -> Result<(), StoreError> {
    let count = i64::try_from(imported.len()).unwrap_or(i64::MAX);
    let taken = take_positions(transaction, count).await?;
    let first = taken.integer("last")? - count + 1;
    let row = |(one, position): (&ImportedSubject, _)| {
        let tenant = tenants.get(one.tenant.as_str()).ok_or_else(|| rows::damaged("tenant"))?;
        Ok(created(one, tenant, position))
    };
    let rows = imported.iter().zip(first..).map(row).collect::<Read<_>>()?;
    insert_new(transaction, Insertion { table: "change_event", columns: &IMPORTED_COLUMNS, rows }).await
}

fn created(imported: &ImportedSubject, tenant_id: &str, position: i64) -> Vec<Value> {
    let ImportedSubject { tenant, subject, hash, change_id, .. } = imported;
    let version = hash.as_ref().map(|_| Version::FIRST);
    let kind = ChangeKind::Created { version };
    vec![
        subject.id.into(),
        1_i64.into(),
        (*change_id).into(),
        subject.created_at.into(),
        tenant_id.into(),
        tenant.into(),
        subject.name.kind().into(),
        subject.name.instance().into(),
        subject.name.as_written().into(),
        kind.as_str().into(),
        version.into(),
        position.into(),
    ]
}

/// Reserves that many positions and locks out other transactions that assign positions. Returns the range of kept
/// events.
async fn take_positions(transaction: &mut dyn Transaction, count: i64) -> Result<Row, StoreError> {
    let taken = sql("UPDATE change_position SET last = last + $1 WHERE only_row = 1 RETURNING last, purged");
    transaction.fetch_first(taken.bind(count)).await?.ok_or_else(|| rows::damaged("change_position"))
}

/// Assigns positions to a batch of events that have none. Events of one subject get theirs in the order in which they
/// happened: a transaction that counts an event waits for the one that counted the event before, so that no event is
/// visible without its predecessors.
///
/// Reserves as many positions as may be needed; unused ones are never assigned.
async fn number(transaction: &mut dyn Transaction) -> Result<Numbered, StoreError> {
    let taken = take_positions(transaction, AT_ONCE).await?;
    let kept = kept(&taken)?;
    let update = sql("UPDATE change_event SET position = w.place + $1
             FROM (
                 SELECT subject_id, number, row_number() OVER (ORDER BY subject_id, number) AS place
                 FROM (
                     SELECT subject_id, number FROM change_event
                     WHERE position IS NULL ORDER BY subject_id, number LIMIT $2
                 ) f
             ) w
             WHERE change_event.subject_id = w.subject_id AND change_event.number = w.number");
    let count = transaction.execute(update.bind(taken.integer("last")? - AT_ONCE).bind(AT_ONCE)).await?;
    Ok(Numbered { kept, more: i64::try_from(count).is_ok_and(|count| count >= AT_ONCE) })
}

/// Removes the events from position `first` to `up_to`. From then on they are never delivered.
async fn purge(transaction: &mut dyn Transaction, first: i64, up_to: i64) -> Result<(), StoreError> {
    let moved = sql("UPDATE change_position SET purged = $1 WHERE only_row = 1 AND purged < $1").bind(up_to);
    transaction.execute(moved).await?;
    let old = sql("DELETE FROM change_event WHERE position >= $1 AND position <= $2").bind(first).bind(up_to);
    transaction.execute(old).await.map(drop)
}

/// Removes a batch of events of a deleted tenant. Returns the number removed.
pub(super) async fn remove_of_tenant(transaction: &mut dyn Transaction, tenant: &str) -> Result<u64, StoreError> {
    let some = sql("DELETE FROM change_event WHERE (subject_id, number) IN (
             SELECT subject_id, number FROM change_event WHERE tenant_id = $1 ORDER BY position LIMIT $2
         )");
    transaction.execute(some.bind(tenant).bind(upkeep::AT_ONCE)).await
}

/// Builds a page of rows, each of which holds the range of kept events and at most one event.
pub(super) fn page<T>(found: &[Row], most: u32, read: impl Fn(&Row) -> Read<T>) -> Read<ChangeEventPage<T>> {
    let kept = kept(found.first().ok_or_else(|| rows::damaged("change_position"))?)?;
    let events = placed(found, read)?;
    let is_full = u32::try_from(events.len()).is_ok_and(|count| count >= most);
    let up_to = events.last().filter(|_| is_full).map_or(kept.last, |(position, _)| *position);
    Ok(ChangeEventPage { kept, events, up_to })
}

/// The events of rows, with their positions. A row without a position holds no event.
pub(super) fn placed<T>(found: &[Row], read: impl Fn(&Row) -> Read<T>) -> Read<Vec<(Position, T)>> {
    let mut events = Vec::with_capacity(found.len());
    for row in found {
        if row.optional_integer("position")?.is_some() {
            events.push((position(row, "position")?, read(row)?));
        }
    }
    Ok(events)
}

/// Tenant of an event; nil if the tenant was gone when the migration bound events to tenants.
pub(super) fn tenant_id(row: &Row) -> Read<TenantId> {
    if row.text("tenant_id")?.is_empty() {
        Ok(TenantId(Uuid::nil()))
    } else {
        Ok(TenantId(rows::uuid(row, "tenant_id")?))
    }
}

/// Reads an event from a row with all columns.
pub(super) fn event(row: &Row) -> Read<ChangeEvent> {
    Ok(ChangeEvent {
        id: rows::uuid(row, "id")?,
        at: rows::time(row, "at")?,
        tenant: rows::parsed(row, "tenant", |text| TenantName::parse(text).ok())?,
        subject: SubjectId(rows::uuid(row, "subject_id")?),
        name: rows::subject_name(row)?,
        kind: kind(row)?,
    })
}

fn kind(row: &Row) -> Read<ChangeKind> {
    let version = || rows::version(row, "version");
    let until = || row.optional_integer("until").map(|until| until.map(Timestamp::from_micros));
    Ok(match row.text("what")? {
        "created" => ChangeKind::Created { version: row.optional_integer("version")?.map(|_| version()).transpose()? },
        "changed" => ChangeKind::Changed { version: version()?, overlap_until: until()? },
        "reset" => ChangeKind::Reset { version: version()?, overlap_until: until()? },
        "locked" if row.optional_integer("version")?.is_some() => return Err(rows::damaged("version")),
        "locked" => ChangeKind::Locked { until: until()? },
        "deleted" => ChangeKind::Deleted,
        _ => return Err(rows::damaged("what")),
    })
}

/// Reads the range of kept events from a row of `change_position`.
pub(super) fn kept(row: &Row) -> Read<KeptEvents> {
    Ok(KeptEvents { after: position(row, "purged")?, last: position(row, "last")? })
}

pub(super) fn position(row: &Row, column: &str) -> Read<Position> {
    u64::try_from(row.integer(column)?).map(Position).map_err(|_| rows::damaged(column))
}
