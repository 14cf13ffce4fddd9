//! Subjects, with the part of their credentials that may be shown.

use async_trait::async_trait;

use super::super::rows::{self, Read, subject_columns};
use super::super::{
    Insertion, Row, SqlStore, Statement, Transaction, Value, authority, change_events, credentials, deliveries, sql,
};
use super::{has_tenant, instances, page_of, start_of};
use crate::domain::audit_event::AuditEvent;
use crate::domain::change_event::ChangeKind;
use crate::domain::credential::Version;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{CountedPage, CountedPageRequest, Page, PageRequest};
use crate::domain::subject::{Subject, SubjectId, SubjectKind, SubjectName};
use crate::domain::time::Timestamp;
use crate::ports::meter::StoreWork;
use crate::ports::store::{
    Absent, Authority, Creation, Deletion, FirstPassword, Lookup, NewSubject, SubjectEntry, SubjectStatus, Subjects,
};
use crate::ports::{Evidence, StoreError};

/// A `SELECT` of entries up to `WHERE`; the argument is the rest.
macro_rules! select_entries {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            subject_columns!(),
            ", c.version, c.hash, c.pepper_key, c.changed_at, c.changed_by
             FROM subject s
             LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance
             LEFT JOIN credential c ON c.subject_id = s.id
             WHERE ",
            $rest
        )
    };
}

#[async_trait]
impl Subjects for SqlStore {
    async fn create_subject(&self, new: &NewSubject, authority: &Authority) -> Result<Creation, StoreError> {
        self.write(StoreWork::CreateSubject)
            .authorized_by(authority)
            .run(|transaction| Box::pin(insert(transaction, new)))
            .await
    }

    async fn subject(&self, tenant: &TenantName, name: &SubjectName) -> Result<Option<SubjectEntry>, StoreError> {
        let row = self
            .read_first(
                sql(select_entries!("s.tenant = $1 AND s.kind = $2 AND coalesce(s.instance, '') = $3 AND s.name = $4"))
                    .bind(tenant)
                    .bind(name.kind())
                    .bind(instance_key(name.instance()))
                    .bind(name.key()),
            )
            .await?;
        row.as_ref().map(entry).transpose()
    }

    async fn subjects(
        &self,
        tenant: &TenantName,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, StoreError> {
        if kind == SubjectKind::InstanceAccount && instance.is_none() {
            return list_of_all_instances(self, tenant, page).await;
        }
        let found = self.read(sql(select_entries!(
            "s.tenant = $1 AND s.kind = $2 AND coalesce(s.instance, '') = $3 AND s.name > $4 ORDER BY s.name LIMIT $5"
        ))
        .taking_long()
        .bind(tenant)
        .bind(kind)
        .bind(instance_key(instance))
        .bind(start_of(page))
        .bind(i64::from(page.size) + 1))
        .await?;
        page_of(&found, page, entry, |entry| entry.subject.name.key().to_owned())
    }

    async fn accounts(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        containing: &str,
        page: CountedPageRequest,
    ) -> Result<CountedPage<SubjectEntry>, StoreError> {
        let of_instance = |select: Statement| {
            select.taking_long().bind(tenant).bind(SubjectKind::InstanceAccount).bind(instance).bind(containing)
        };
        // A text that is in a name can be taken out of it: both databases know `replace`. The index has all that is read.
        let counted = of_instance(sql("SELECT count(*) AS accounts FROM subject
             WHERE tenant = $1 AND kind = $2 AND coalesce(instance, '') = $3
               AND ($4 = '' OR replace(name, $4, '') <> name)"));
        let of_page = of_instance(sql(select_entries!(
            "s.tenant = $1 AND s.kind = $2 AND coalesce(s.instance, '') = $3
               AND ($4 = '' OR replace(s.name, $4, '') <> s.name)
             ORDER BY s.name LIMIT $5 OFFSET $6"
        )));
        let of_page = of_page.bind(page.size).bind(i64::try_from(page.skip).unwrap_or(i64::MAX));
        let [counted, found] = self.read_together([counted, of_page]).await?;
        let total = counted.first().map(|row| row.integer("accounts")).transpose()?.unwrap_or_default();
        let items = found.iter().map(entry).collect::<Read<_>>()?;
        Ok(CountedPage { items, total: u64::try_from(total).unwrap_or_default() })
    }

    async fn set_subject_status(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        status: SubjectStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.write(StoreWork::SetSubjectStatus)
            .authorized_by(authority)
            .run(|transaction| Box::pin(set_status(transaction, tenant, name, status, authority.event.subject)))
            .await
    }

    async fn delete_subject(
        &self,
        tenant: &TenantName,
        name: &SubjectName,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        self.write(StoreWork::DeleteSubject)
            .authorized_by(authority)
            .run(|transaction| Box::pin(delete(transaction, tenant, name, &authority.event)))
            .await
    }

    async fn look_up(&self, tenant: &TenantName, name: &SubjectName) -> Result<Lookup, StoreError> {
        looked_up(&self.read(self.select_subject(tenant, name)).await?, tenant, name)
    }

    async fn look_up_for(
        &self,
        evidence: &Evidence,
        at: Timestamp,
        tenant: &TenantName,
        name: &SubjectName,
    ) -> Result<Lookup, StoreError> {
        if !evidence.holds_outside_the_store(at) {
            return Err(StoreError::EvidenceGone);
        }
        let Some(proof) = authority::row_of(evidence, at) else { return self.look_up(tenant, name).await };
        let [proof, found] = self.read_together([proof.without_lock(), self.select_subject(tenant, name)]).await?;
        if proof.is_empty() { Err(StoreError::EvidenceGone) } else { looked_up(&found, tenant, name) }
    }
}

impl SqlStore {
    /// Selects what exists under a name. One statement, so that the answer about what is missing comes from one snapshot.
    fn select_subject(&self, tenant: &TenantName, name: &SubjectName) -> Statement {
        Statement::of_parts(&[
            "SELECT t.name AS of_tenant, o.region AS of_instance, s.tenant, ",
            subject_columns!(),
            " FROM tenant t
              LEFT JOIN instance o ON o.tenant = t.name AND o.id = $3
              LEFT JOIN subject k ON k.tenant = t.name AND k.kind = $2 AND coalesce(k.instance, '') = $3 AND k.name = $4
              LEFT JOIN ",
            self.database.rows_of_keys().subject,
            " LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance
              WHERE t.name = $1",
        ])
        .bind(tenant)
        .bind(name.kind())
        .bind(instance_key(name.instance()))
        .bind(name.key())
    }
}

fn looked_up(found: &[Row], tenant: &TenantName, name: &SubjectName) -> Read<Lookup> {
    let Some(row) = found.first() else { return Ok(Lookup::Missing(Absent::Tenant)) };
    let found = rows::lookup(row, name)?;
    if let Lookup::Found(subject) = &found {
        rows::has_key(row, "tenant", tenant.as_str())?;
        let found = &subject.name;
        if (found.kind(), found.instance(), found.key()) != (name.kind(), name.instance(), name.key()) {
            return Err(rows::damaged("name"));
        }
    }
    Ok(found)
}

async fn insert(transaction: &mut dyn Transaction, new: &NewSubject) -> Result<Creation, StoreError> {
    let NewSubject { tenant, subject, first_password } = new;
    if !has_tenant(transaction, tenant).await? {
        return Ok(Creation::TenantAbsent);
    }
    if let Some(instance) = subject.name.instance()
        && !instances::exists(transaction, tenant, instance).await?
    {
        return Ok(Creation::InstanceAbsent);
    }
    if !insert_subject(transaction, tenant, subject).await? {
        return Ok(Creation::AlreadyExists);
    }
    if let Some(password) = first_password {
        insert_credential(transaction, subject, password).await?;
    }
    change_events::insert_created(transaction, subject.id).await?;
    Ok(Creation::Created)
}

/// Lists accounts by instance and name. Neither can contain the slash that separates them in a page's key.
async fn list_of_all_instances(
    store: &SqlStore,
    tenant: &TenantName,
    page: &PageRequest,
) -> Result<Page<SubjectEntry>, StoreError> {
    let (instance, name) = start_of(page).split_once('/').unwrap_or_default();
    // The first bound is redundant, but SQLite seeks by it.
    let found = store
        .read(
            sql(select_entries!(
                "s.tenant = $1 AND s.kind = $2
           AND coalesce(s.instance, '') >= $3 AND (coalesce(s.instance, ''), s.name) > ($3, $4)
         ORDER BY coalesce(s.instance, ''), s.name LIMIT $5"
            ))
            .taking_long()
            .bind(tenant)
            .bind(SubjectKind::InstanceAccount)
            .bind(instance)
            .bind(name)
            .bind(i64::from(page.size) + 1),
        )
        .await?;
    page_of(&found, page, entry, |entry| {
        let name = &entry.subject.name;
        format!("{}/{}", instance_key(name.instance()), name.key())
    })
}

async fn set_status(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    name: &SubjectName,
    status: SubjectStatus,
    permitted: Option<SubjectId>,
) -> Result<bool, StoreError> {
    let (kind, word) = match status {
        SubjectStatus::MailDomain(status) => (SubjectKind::MailDomain, status.as_str()),
        SubjectStatus::InstanceAccount(status) => (SubjectKind::InstanceAccount, status.as_str()),
    };
    if kind != name.kind() {
        return Ok(false);
    }
    let update = sql("UPDATE subject SET status = $5
         WHERE tenant = $1 AND kind = $2 AND coalesce(instance, '') = $3 AND name = $4 AND id = coalesce($6, id)");
    let update = update.bind(tenant).bind(kind).bind(instance_key(name.instance())).bind(name.key());
    Ok(transaction.execute(update.bind(word).bind(permitted)).await? > 0)
}

async fn delete(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    name: &SubjectName,
    event: &AuditEvent,
) -> Result<Deletion, StoreError> {
    let found = transaction
        .fetch_first(
            sql("SELECT id FROM subject WHERE tenant = $1 AND kind = $2 AND coalesce(instance, '') = $3 AND name = $4")
                .bind(tenant)
                .bind(name.kind())
                .bind(instance_key(name.instance()))
                .bind(name.key()),
        )
        .await?;
    let Some(found) = found else { return Ok(Deletion::Absent) };
    let id = SubjectId(rows::uuid(&found, "id")?);
    if event.subject.is_some_and(|permitted| permitted != id) {
        return Ok(Deletion::Absent);
    }
    change_events::insert(transaction, id, event.id, event.at, ChangeKind::Deleted).await?;
    if name.instance().is_some() {
        deliveries::withdraw(transaction, id, event.at).await?;
    }
    let deleted = transaction.execute(sql("DELETE FROM subject WHERE id = $1").bind(id)).await?;
    Ok(if deleted == 0 { Deletion::Absent } else { Deletion::Deleted })
}

/// Returns whether the name was free.
async fn insert_subject(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    subject: &Subject,
) -> Result<bool, StoreError> {
    let insert = sql(
        "INSERT INTO subject (id, tenant, kind, instance, name, written, region, status, user_name, tags, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    );
    let insert = values(tenant, subject)?.into_iter().fold(insert, Statement::bind);
    Ok(transaction.execute(insert).await? > 0)
}

/// The columns of [`values`].
pub(in crate::store::sql) const COLUMNS: [&str; 11] =
    ["id", "tenant", "kind", "instance", "name", "written", "region", "status", "user_name", "tags", "created_at"];

/// A subject as a row. Attributes that its kind lacks are null.
pub(in crate::store::sql) fn values(tenant: &TenantName, subject: &Subject) -> Read<Vec<Value>> {
    let (name, attributes) = (&subject.name, subject.attributes.view());
    Ok(vec![
        subject.id.into(),
        tenant.into(),
        name.kind().into(),
        name.instance().into(),
        name.key().into(),
        name.as_written().into(),
        // The region of an account is read from its instance.
        subject.own_region().into(),
        attributes.status.into(),
        attributes.user_name.into(),
        attributes.tags.map(rows::to_json).transpose()?.into(),
        subject.created_at.into(),
    ])
}

async fn insert_credential(
    transaction: &mut dyn Transaction,
    subject: &Subject,
    password: &FirstPassword,
) -> Result<(), StoreError> {
    let FirstPassword { hash, changed_by, change_id, .. } = password;
    let rows = vec![credentials::first(subject.id, hash, subject.created_at, *changed_by, *change_id)];
    transaction.insert(Insertion { table: "credential", columns: &credentials::COLUMNS, rows }).await?;
    if let Some(passwords) = &password.deliver {
        for step in deliveries::steps(subject.id, Version::FIRST, passwords, subject.created_at) {
            step.run(transaction).await?;
        }
    }
    Ok(())
}

fn entry(row: &Row) -> Read<SubjectEntry> {
    let credential = rows::credential_state(row)?;
    let hash = credential.map(|_| rows::hash(row, "hash", "pepper_key")).transpose()?;
    Ok(SubjectEntry { subject: rows::subject(row)?, credential, hash })
}

/// The instance in a subject's key: empty if the subject belongs to no instance.
pub(in crate::store::sql) fn instance_key(instance: Option<&InstanceId>) -> &str {
    instance.map_or("", InstanceId::as_str)
}
