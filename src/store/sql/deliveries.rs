//! Endpoints of instances, and the deliveries of passwords to their nodes.

use async_trait::async_trait;
use uuid::Uuid;

use super::directory::subjects::instance_key;
use super::rows::{self, Read};
use super::{Row, SqlStore, Statement, Step, Transaction, audit_events, endpoints, overlaps, sql};
use crate::domain::audit_event::AuditEvent;
use crate::domain::credential::Version;
use crate::domain::delivery::{
    DeliveryBacklog, DeliveryPhase, DeliveryState, DeliveryStep, DueDelivery, DueInstances, FURTHEST_AHEAD,
};
use crate::domain::endpoint::StoredEndpoint;
use crate::domain::names::{AccountName, InstanceId, Region, TenantName};
use crate::domain::sealed::Sealed;
use crate::domain::subject::{SubjectId, SubjectName};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{Authority, Deliveries};

/// How many deliveries that are due are looked at for their instances.
const LOOKED_AT: u32 = 256;

/// The condition that a delivery waits for something after a time, for which no clock that is right lets it wait: the start of its
/// overlap, or its next attempt. A comparison may be as far ahead.
macro_rules! waits_until_after {
    ($time:literal) => {
        concat!(
            "due_at > 0 AND phase <> 'done' AND CASE phase WHEN 'overlapping' THEN set_at ELSE due_at END > ",
            $time
        )
    };
}

#[async_trait]
impl Deliveries for SqlStore {
    async fn set_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        endpoint: &StoredEndpoint,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::SetEndpoint).authorized_by(authority);
        write.run(|transaction| Box::pin(endpoints::set(transaction, tenant, instance, endpoint))).await
    }

    async fn delete_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::DeleteEndpoint).authorized_by(authority);
        write.run(|transaction| Box::pin(endpoints::delete(transaction, tenant, instance))).await
    }

    async fn endpoint(&self, tenant: &TenantName, instance: &InstanceId) -> Result<Option<StoredEndpoint>, StoreError> {
        self.read_first(endpoints::select(tenant, instance)).await?.as_ref().map(endpoints::endpoint).transpose()
    }

    async fn delivery(&self, subject: SubjectId) -> Result<Option<DeliveryState>, StoreError> {
        self.deliveries_of(&[subject]).await?.pop().map(|(_, state)| state).transpose()
    }

    async fn withdrawal(
        &self,
        tenant: &TenantName,
        account: &SubjectName,
    ) -> Result<Option<DeliveryState>, StoreError> {
        let select = sql(
            "SELECT version, phase, set_at, due_at, attempts, nodes, reached, failure, drift, drift_at FROM delivery
             WHERE tenant = $1 AND instance = $2 AND account = $3 AND phase = 'withdrawing'",
        );
        let select = select.bind(tenant).bind(instance_key(account.instance())).bind(account.key());
        self.read_first(select).await?.as_ref().map(state).transpose()
    }

    async fn deliveries_of(&self, subjects: &[SubjectId]) -> Result<Vec<(SubjectId, Read<DeliveryState>)>, StoreError> {
        let select = Statement::of_parts(&[
            "SELECT d.subject_id, d.version, d.phase, d.set_at, d.due_at, d.attempts, d.nodes, d.reached, d.failure, d.drift,
                 d.drift_at FROM ",
            self.database.rows_of_json(),
            " r JOIN delivery d ON d.subject_id = r.value ->> 0",
        ]);
        // Each in a list of its own, because only members of a list are read as texts by every database.
        let subjects = subjects.iter().map(|subject| [subject.to_string()]).collect::<Vec<_>>();
        let found = self.read(select.bind(rows::to_json(&subjects)?)).await?;
        found.iter().map(|row| Ok((SubjectId(rows::uuid(row, "subject_id")?), state(row)))).collect()
    }

    async fn due_instances(&self, now: Timestamp, most: u32) -> Result<DueInstances, StoreError> {
        let due = sql("SELECT d.tenant, d.instance FROM delivery d
             JOIN endpoint p ON p.tenant = d.tenant AND p.instance = d.instance
             WHERE d.due_at <= $1 AND (p.leased_until <= $1 OR p.leased_until > $2) ORDER BY d.due_at LIMIT $3");
        let furthest = now.after(FURTHEST_AHEAD);
        let due = due.bind(now).bind(furthest).bind(LOOKED_AT);
        let any = sql("SELECT id FROM endpoint ORDER BY id LIMIT 1");
        let ahead = sql(concat!("SELECT subject_id FROM delivery WHERE ", waits_until_after!("$1"), " LIMIT 1"));
        let [any, ahead, found] = self.read_together([any, ahead.bind(furthest), due]).await?;
        // Found with the next look.
        if !ahead.is_empty() {
            let update = sql(concat!(
                "UPDATE delivery SET due_at = 0, revision = revision + 1 WHERE ",
                waits_until_after!("$1")
            ));
            self.upkeep(StoreWork::MakeDue).execute(update.bind(furthest)).await?;
        }
        let mut due: Vec<(TenantName, InstanceId)> = Vec::new();
        for row in &found {
            let tenant = rows::parsed(row, "tenant", |text| TenantName::parse(text).ok())?;
            let instance = rows::parsed(row, "instance", |text| InstanceId::parse(text).ok())?;
            if !due.iter().any(|(of, id)| *of == tenant && *id == instance) {
                due.push((tenant, instance));
            }
        }
        due.truncate(most as usize);
        Ok(DueInstances { has_endpoints: !any.is_empty(), due })
    }

    async fn lease_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        by: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<StoredEndpoint>, StoreError> {
        let leased = self
            .upkeep(StoreWork::LeaseEndpoint)
            .run(|transaction| Box::pin(endpoints::lease(transaction, tenant, instance, by, [now, until])))
            .await?;
        leased.as_ref().map(endpoints::endpoint).transpose()
    }

    async fn release_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        by: Uuid,
        rests_until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let update = sql("UPDATE endpoint SET leased_by = NULL, leased_until = $4
             WHERE tenant = $1 AND instance = $2 AND leased_by = $3");
        let update = update.bind(tenant).bind(instance).bind(by);
        let update = update.bind(rests_until.unwrap_or(Timestamp::from_micros(0)));
        self.upkeep(StoreWork::ReleaseEndpoint).execute(update).await.map(drop)
    }

    async fn due_deliveries(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Read<DueDelivery>>, StoreError> {
        let select = || {
            sql("SELECT d.subject_id, d.version, d.revision, d.secret, d.pepper_key, d.phase, d.attempts, d.account, d.drift, d.drift_at,
                 t.id AS tenant_id, i.region,
                 c.version AS current_version, c.overlap_started_at, c.overlap_length
             FROM delivery d JOIN tenant t ON t.name = d.tenant JOIN instance i ON i.tenant = d.tenant AND i.id = d.instance
             LEFT JOIN credential c ON c.subject_id = d.subject_id
             WHERE d.tenant = $1 AND d.instance = $2 AND d.due_at <= $3 ORDER BY d.due_at LIMIT $4 OFFSET $5")
        };
        let mut read = Vec::new();
        loop {
            let skip = i64::try_from(read.len()).unwrap_or(i64::MAX);
            let found = self.read(select().bind(tenant).bind(instance).bind(now).bind(most).bind(skip)).await?;
            read.extend(found.iter().map(due));
            if found.len() < most as usize || read.iter().any(Result::is_ok) {
                return Ok(read);
            }
        }
    }

    async fn record_delivery(
        &self,
        due: &DueDelivery,
        step: &DeliveryStep,
        by: Uuid,
        event: Option<&AuditEvent>,
    ) -> Result<bool, StoreError> {
        self.upkeep(StoreWork::RecordDelivery)
            .run(|transaction| Box::pin(record(transaction, due, step, by, event)))
            .await
    }

    async fn delivery_backlog(&self, most: u32) -> Result<DeliveryBacklog, StoreError> {
        let select = sql("SELECT count(*) AS pending, count(CASE WHEN b.attempts > 0 THEN 1 END) AS failing,
                 min(b.pending_since) AS oldest
             FROM (SELECT attempts, pending_since FROM delivery WHERE pending_since IS NOT NULL
                 ORDER BY pending_since LIMIT $1) b");
        let Some(row) = self.read_first(select.bind(most)).await? else { return Ok(DeliveryBacklog::default()) };
        Ok(DeliveryBacklog {
            pending: rows::saturating(row.integer("pending")?),
            failing: rows::saturating(row.integer("failing")?),
            oldest: row.optional_integer("oldest")?.map(Timestamp::from_micros),
        })
    }
}

async fn record(
    transaction: &mut dyn Transaction,
    due: &DueDelivery,
    step: &DeliveryStep,
    by: Uuid,
    event: Option<&AuditEvent>,
) -> Result<bool, StoreError> {
    let is_withdrawn = step.phase == DeliveryPhase::Withdrawing && step.due_at.is_none();
    let statement = if is_withdrawn { removal(due, by) } else { update(due, step, by) };
    if transaction.execute(statement).await? == 0 {
        return Ok(false);
    }
    if let Some(event) = event {
        audit_events::insert(transaction, event).await?;
    }
    Ok(true)
}

fn removal(due: &DueDelivery, by: Uuid) -> Statement {
    sql("DELETE FROM delivery WHERE subject_id = $1 AND revision = $2 AND EXISTS (
             SELECT 1 FROM endpoint p
             WHERE p.tenant = delivery.tenant AND p.instance = delivery.instance AND p.leased_by = $3)")
    .bind(due.subject)
    .bind(due.revision)
    .bind(by)
}

fn update(due: &DueDelivery, step: &DeliveryStep, by: Uuid) -> Statement {
    let update = sql("UPDATE delivery SET revision = revision + 1, phase = $3, due_at = $4, attempts = $5, nodes = $6,
             reached = $7, failure = $8,
             secret = CASE WHEN $9 = 1 THEN secret END, pepper_key = CASE WHEN $9 = 1 THEN pepper_key END,
             pending_since = CASE WHEN $10 = 1 THEN set_at END,
             drift = coalesce($12, drift), drift_at = coalesce(CAST($13 AS BIGINT), drift_at)
         WHERE subject_id = $1 AND revision = $2 AND EXISTS (
             SELECT 1 FROM endpoint p
             WHERE p.tenant = delivery.tenant AND p.instance = delivery.instance AND p.leased_by = $11)");
    let update = update.bind(due.subject).bind(due.revision).bind(step.phase).bind(step.due_at);
    let update = update.bind(step.attempts).bind(step.nodes).bind(step.reached).bind(step.failure.as_ref());
    let update = update.bind(step.due_at.is_some()).bind(step.phase.is_pending()).bind(by);
    let (drift_at, drift) = step.drift.as_ref().map(|(at, node)| (*at, node)).unzip();
    update.bind(drift).bind(drift_at)
}

/// Adds the delivery of a change, if its subject's instance has an endpoint. It takes the place of the one before, and of the
/// withdrawal of an account that had the same name: no client has a right to its passwords, so they are not left until every
/// node has the new one, also if that is changed once more.
///
/// An account of the name of the endpoint's own user is not delivered: its password would give the right to set all users.
/// Nothing is left then of a delivery from before the endpoint was set.
pub(super) fn steps(subject: SubjectId, version: Version, passwords: &Sealed, at: Timestamp) -> [Step; 2] {
    let added = Step::change(
        "INSERT INTO delivery (subject_id, tenant, instance, account, version, phase, secret, pepper_key, set_at, pending_since, due_at)
         SELECT s.id, s.tenant, s.instance, s.name, CAST($2 AS BIGINT),
             CASE WHEN EXISTS (
                 SELECT 1 FROM delivery w
                 WHERE w.phase = 'withdrawing' AND w.tenant = s.tenant AND w.instance = s.instance AND w.account = s.name
             ) THEN 'replacing' ELSE CAST($3 AS TEXT) END,
             $4, $5, CAST($6 AS BIGINT), CAST($6 AS BIGINT),
             CAST($6 AS BIGINT)
         FROM subject s WHERE s.id = $1 AND (
             SELECT count(*) FROM endpoint p
             WHERE p.tenant = s.tenant AND p.instance = s.instance AND p.user_name <> s.name) > 0",
    )
    .then(
        " ON CONFLICT (subject_id) DO UPDATE SET version = excluded.version, revision = delivery.revision + 1,
             phase = CASE WHEN delivery.phase = 'replacing' THEN 'replacing' ELSE excluded.phase END, secret = excluded.secret, pepper_key = excluded.pepper_key, set_at = excluded.set_at,
             pending_since = excluded.pending_since, due_at = excluded.due_at, attempts = 0, nodes = 0, reached = 0,
             failure = NULL, drift = NULL, drift_at = NULL",
    )
    .bind(subject)
    .bind(version)
    .bind(DeliveryPhase::Adding)
    .bind(passwords.expose())
    .bind(passwords.key())
    .bind(at);
    let replaced = Step::change(
        "DELETE FROM delivery WHERE subject_id = $1 AND version <> CAST($2 AS BIGINT) OR phase = 'withdrawing'
             AND (tenant, instance, account) = (SELECT s.tenant, s.instance, s.name FROM subject s WHERE s.id = $1)",
    );
    // The second one removes what the first one looks for.
    [added, replaced.bind(subject).bind(version)]
}

/// Has everything that was delivered of an account withdrawn, in the transaction that deletes it.
pub(super) async fn withdraw(
    transaction: &mut dyn Transaction,
    subject: SubjectId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let update =
        sql("UPDATE delivery SET phase = $2, revision = revision + 1, secret = NULL, pepper_key = NULL, set_at = $3,
             pending_since = $3, due_at = $3, attempts = 0, nodes = 0, reached = 0, failure = NULL, drift = NULL,
             drift_at = NULL
         WHERE subject_id = $1");
    transaction.execute(update.bind(subject).bind(DeliveryPhase::Withdrawing).bind(at)).await.map(drop)
}

/// Makes the delivery of an account due whose overlap has changed, in the same transaction.
pub(super) async fn look_again(transaction: &mut dyn Transaction, subject: SubjectId) -> Result<(), StoreError> {
    let update =
        sql("UPDATE delivery SET due_at = 0, revision = revision + 1 WHERE subject_id = $1 AND due_at IS NOT NULL");
    transaction.execute(update.bind(subject)).await.map(drop)
}

/// Reads the state of a delivery from a row with all columns.
pub(super) fn state(row: &Row) -> Read<DeliveryState> {
    Ok(DeliveryState {
        version: rows::version(row, "version")?,
        phase: phase(row)?,
        set_at: rows::time(row, "set_at")?,
        due_at: row.optional_integer("due_at")?.map(Timestamp::from_micros),
        attempts: rows::saturating(row.integer("attempts")?),
        nodes: rows::saturating(row.integer("nodes")?),
        reached: rows::saturating(row.integer("reached")?),
        failure: row.optional_text("failure")?.map(str::to_owned),
        drift: drift(row)?,
    })
}

fn drift(row: &Row) -> Read<Option<(Timestamp, String)>> {
    row.optional_text("drift")?.map(|node| Ok((rows::time(row, "drift_at")?, node.to_owned()))).transpose()
}

/// The passwords of a delivery, unless they were removed.
pub(super) fn passwords(row: &Row) -> Read<Option<Sealed>> {
    row.optional_text("secret")?.map(|_| rows::secret(row)).transpose()
}

fn due(row: &Row) -> Read<DueDelivery> {
    let current = row.optional_integer("current_version")?;
    Ok(DueDelivery {
        subject: SubjectId(rows::uuid(row, "subject_id")?),
        account: rows::parsed(row, "account", |text| AccountName::parse(text).ok())?,
        tenant: TenantId(rows::uuid(row, "tenant_id")?),
        region: rows::parsed(row, "region", |text| Region::parse(text).ok())?,
        version: rows::version(row, "version")?,
        revision: row.integer("revision")?,
        passwords: passwords(row)?,
        phase: phase(row)?,
        attempts: rows::saturating(row.integer("attempts")?),
        current: current.map(|_| rows::version(row, "current_version")).transpose()?,
        overlap: overlaps::window(row)?,
        drift: drift(row)?,
    })
}

fn phase(row: &Row) -> Read<DeliveryPhase> {
    rows::parsed(row, "phase", DeliveryPhase::of)
}
