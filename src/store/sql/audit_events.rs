//! Audit events.

use uuid::Uuid;

use super::rows::{self, Read};
use super::{Row, Statement, Step, Transaction, sql};
use crate::domain::action::Action;
use crate::domain::audit_chain::EventFields;
use crate::domain::audit_event::{AuditEvent, AuditOutcome, Repeats};
use crate::domain::names::FreeName;
use crate::domain::subject::SubjectId;
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;

/// Adds an event, in the transaction of the action that it records.
pub(super) async fn insert(transaction: &mut dyn Transaction, event: &AuditEvent) -> Result<(), StoreError> {
    step(event)?.run(transaction).await?;
    transaction.recorded().push(event.id);
    Ok(())
}

/// Adds an event.
pub(super) fn step(event: &AuditEvent) -> Read<Step> {
    let (mut change_id, mut version, mut imported, mut unchanged) = Default::default();
    match &event.outcome {
        AuditOutcome::Changed { change_id: id, version: made } => {
            change_id = Some(*id);
            version = Some(*made);
        }
        AuditOutcome::Delivered { version: delivered } => version = Some(*delivered),
        AuditOutcome::Imported { subjects, unchanged: there } => {
            imported = Some(*subjects);
            unchanged = Some(*there);
        }
        _ => {}
    }
    let repeats = event.outcome.repeats();
    Ok(Step::change(
        "INSERT INTO audit_event (id, at, request_id, correlation_id, caller_tenant, caller_kind, caller_name,
             caller_subject_id, action, resource, subject_id, outcome, change_id, version, policies, imported,
             unchanged, repeats, repeated_since, tenant_id, process)
         SELECT $1, CAST($2 AS BIGINT), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CAST($14 AS BIGINT), $15,
             CAST($16 AS BIGINT), CAST($17 AS BIGINT), CAST($18 AS BIGINT), CAST($19 AS BIGINT), $20, $21 WHERE TRUE",
    )
    .bind(event.id)
    .bind(event.at)
    // Stored in the format of responses, so that an id that a caller reports can be searched for as it is.
    .bind(format!("{:X}", event.request_id.hyphenated()))
    .bind(event.correlation_id.as_deref())
    .bind(event.caller.tenant())
    .bind(event.caller.kind())
    .bind(event.caller.name())
    .bind(event.caller.subject_id())
    .bind(event.action.name())
    .bind(&event.resource)
    .bind(event.subject)
    .bind(event.outcome.as_str())
    .bind(change_id)
    .bind(version)
    .bind(rows::to_json(&event.policies)?)
    .bind(imported)
    .bind(unchanged)
    .bind(repeats.map_or(0, |repeats| repeats.count))
    .bind(repeats.map(|repeats| repeats.since))
    .bind(event.tenant)
    .bind(event.process.as_ref().map(FreeName::as_str)))
}

/// Selects the event with that id.
pub(super) fn select(id: Uuid) -> Statement {
    sql("SELECT id FROM audit_event WHERE id = $1").bind(id)
}

/// An event as it is stored, from a row with all columns of its table, and those of other tables before them.
pub(super) fn fields(row: &Row) -> EventFields {
    row.texts_from("id").filter(|(name, _)| name != "position").collect()
}

/// Reads an event from a row with all columns.
pub(super) fn event(row: &Row) -> Read<AuditEvent> {
    Ok(AuditEvent {
        id: rows::uuid(row, "id")?,
        at: rows::time(row, "at")?,
        // The store never compares it, so accept either case: earlier versions wrote lower case.
        request_id: rows::parsed(row, "request_id", |text| Uuid::try_parse(text).ok())?,
        correlation_id: row.optional_text("correlation_id")?.map(str::to_owned),
        caller: rows::caller(row, ["caller_tenant", "caller_kind", "caller_name", "caller_subject_id"])?,
        action: rows::parsed(row, "action", Action::of)?,
        resource: row.text("resource")?.to_owned(),
        subject: rows::optional_uuid(row, "subject_id")?.map(SubjectId),
        tenant: rows::optional_uuid(row, "tenant_id")?.map(TenantId),
        process: rows::optional(row, "process", |text| FreeName::parse(text).ok())?,
        // Earlier versions wrote them only for refusals.
        policies: rows::optional(row, "policies", |text| serde_json::from_str(text).ok())?.unwrap_or_default(),
        outcome: outcome(row)?,
    })
}

fn outcome(row: &Row) -> Read<AuditOutcome> {
    Ok(match row.text("outcome")? {
        "done" => AuditOutcome::Done,
        "changed" => {
            AuditOutcome::Changed { change_id: rows::change_id(row)?, version: rows::version(row, "version")? }
        }
        "imported" => {
            let count = |column| u32::try_from(row.integer(column)?).map_err(|_| rows::damaged(column));
            AuditOutcome::Imported { subjects: count("imported")?, unchanged: count("unchanged")? }
        }
        "taken-over" => AuditOutcome::TakenOver,
        "delivered" => AuditOutcome::Delivered { version: rows::version(row, "version")? },
        "drifted" => AuditOutcome::Drifted,
        "withdrawn" => AuditOutcome::Withdrawn,
        "denied" => AuditOutcome::Denied { repeats: repeats(row)? },
        "throttled" => AuditOutcome::Throttled { repeats: repeats(row)? },
        "wrong-password" => AuditOutcome::WrongPassword,
        "undecided" => AuditOutcome::Undecided,
        _ => return Err(rows::damaged("outcome")),
    })
}

fn repeats(row: &Row) -> Read<Option<Repeats>> {
    let count = u32::try_from(row.integer("repeats")?).map_err(|_| rows::damaged("repeats"))?;
    let since = row.optional_integer("repeated_since")?.map(Timestamp::from_micros);
    match (count, since) {
        (0, None) => Ok(None),
        (1.., Some(since)) => Ok(Some(Repeats { count, since })),
        _ => Err(rows::damaged("repeats")),
    }
}
