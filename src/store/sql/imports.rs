//! Many subjects at once: a few statements for a whole batch, which goes to the database as one JSON array.

use async_trait::async_trait;
use serde::Serialize;
use serde_json::json;

use super::change_events::INSERT_CREATED;
use super::directory::subjects::{SubjectRow, instance_key};
use super::rows::{self, Read, subject_columns};
use super::{Row, SqlStore, Statement, Transaction, audit};
use crate::domain::audit_event::AuditEvent;
use crate::domain::credential::{ChangedBy, Version, VersionedHash};
use crate::domain::names::{PepperKeyId, TenantName};
use crate::domain::subject::SubjectName;
use crate::ports::StoreError;
use crate::ports::store::{FoundSubject, ImportedSubject, Imports};

#[async_trait]
impl Imports for SqlStore {
    async fn look_up_all(&self, names: &[(&TenantName, &SubjectName)]) -> Result<Vec<FoundSubject>, StoreError> {
        let wanted = names.iter().enumerate().map(|(place, (tenant, name))| {
            json!({
                "place": place,
                "tenant": tenant.as_str(),
                "kind": name.kind().as_str(),
                "instance": instance_key(name.instance()),
                "name": name.key(),
            })
        });
        let select = Statement::of_parts(&[
            "SELECT CAST(r.value ->> 'place' AS BIGINT) AS place, t.name AS of_tenant, o.region AS of_instance, ",
            subject_columns!(),
            ", c.version, c.hash, c.pepper_key
             FROM ",
            self.database.rows_of_json(),
            " r
             LEFT JOIN tenant t ON t.name = r.value ->> 'tenant'
             LEFT JOIN instance o ON o.tenant = r.value ->> 'tenant' AND o.id = r.value ->> 'instance'
             LEFT JOIN subject s ON s.tenant = r.value ->> 'tenant' AND s.kind = r.value ->> 'kind'
                 AND coalesce(s.instance, '') = r.value ->> 'instance' AND s.name = r.value ->> 'name'
             LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance
             LEFT JOIN credential c ON c.subject_id = s.id
             ORDER BY place",
        ]);
        let found = self.read(select.taking_long().bind(rows::to_json(&wanted.collect::<Vec<_>>())?)).await?;
        if found.len() != names.len() {
            return Err(StoreError::Damaged("a name belongs to several subjects".to_owned()));
        }
        found.iter().zip(names).map(|(row, (_, name))| found_subject(row, name)).collect()
    }

    async fn import(&self, subjects: &[ImportedSubject], events: &[AuditEvent]) -> Result<bool, StoreError> {
        let batch = rows::to_json(&subjects.iter().map(ImportedRow::new).collect::<Read<Vec<_>>>()?)?;
        let (list, count) = (self.database.rows_of_json(), subjects.len() as u64);
        self.transact("import", |transaction| Box::pin(insert_all(transaction, list, &batch, count, events))).await
    }
}

fn found_subject(row: &Row, name: &SubjectName) -> Read<FoundSubject> {
    let versioned = || -> Read<_> {
        Ok(VersionedHash { version: rows::version(row, "version")?, hash: rows::hash(row, "hash", "pepper_key")? })
    };
    let hash = row.optional_integer("version")?.map(|_| versioned()).transpose()?;
    Ok(FoundSubject { lookup: rows::lookup(row, name)?, hash })
}

/// A row of a batch.
#[derive(Serialize)]
struct ImportedRow<'a> {
    #[serde(flatten)]
    subject: SubjectRow<'a>,
    hash: &'a str,
    pepper_key: Option<&'a str>,
    changed_at: i64,
    change_id: String,
}

impl<'a> ImportedRow<'a> {
    fn new(imported: &'a ImportedSubject) -> Read<Self> {
        Ok(Self {
            subject: SubjectRow::new(&imported.tenant, &imported.subject)?,
            hash: imported.hash.expose(),
            pepper_key: imported.hash.key().map(PepperKeyId::as_str),
            changed_at: imported.changed_at.as_micros(),
            change_id: imported.change_id.0.to_string(),
        })
    }
}

/// Answers whether all could be inserted. Where one could not, none is.
async fn insert_all(
    transaction: &mut dyn Transaction,
    list: &'static str,
    batch: &str,
    count: u64,
    events: &[AuditEvent],
) -> Result<bool, StoreError> {
    // The order of the joins is fixed: from a row to its tenant and its instance.
    let subjects = Statement::of_parts(&[
        "INSERT INTO subject (id, tenant, kind, instance, name, written, region, status, user_name, tags, created_at)
         SELECT r.value ->> 'id', t.name, r.value ->> 'kind', r.value ->> 'instance', r.value ->> 'name',
             r.value ->> 'written', r.value ->> 'region', r.value ->> 'status', r.value ->> 'user_name',
             r.value ->> 'tags', CAST(r.value ->> 'created_at' AS BIGINT)
         FROM ",
        list,
        " r CROSS JOIN tenant t LEFT JOIN instance i ON i.tenant = t.name AND i.id = r.value ->> 'instance'
         WHERE t.name = r.value ->> 'tenant' AND (r.value ->> 'instance' IS NULL OR i.id IS NOT NULL)
         ON CONFLICT DO NOTHING",
    ]);
    if transaction.execute(subjects.taking_long().bind(batch)).await? < count {
        let undo =
            Statement::of_parts(&["DELETE FROM subject WHERE id IN (SELECT r.value ->> 'id' FROM ", list, " r)"]);
        transaction.execute(undo.taking_long().bind(batch)).await?;
        return Ok(false);
    }
    let credentials = Statement::of_parts(&[
        "INSERT INTO credential (subject_id, version, hash, pepper_key, changed_at, changed_by, change_id)
         SELECT r.value ->> 'id', $2, r.value ->> 'hash', r.value ->> 'pepper_key', CAST(r.value ->> 'changed_at' AS BIGINT), $3,
             r.value ->> 'change_id'
         FROM ",
        list,
        " r",
    ]);
    let credentials = credentials.taking_long().bind(batch).bind(rows::number_of(Version::FIRST));
    transaction.execute(credentials.bind(ChangedBy::Administrator.as_str())).await?;
    let created = Statement::of_parts(&[INSERT_CREATED, "IN (SELECT r.value ->> 'id' FROM ", list, " r)"]);
    transaction.execute(created.taking_long().bind(batch)).await?;
    for event in events {
        audit::insert(transaction, event).await?;
    }
    Ok(true)
}
