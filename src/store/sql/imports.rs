//! Import of many subjects: a few statements for a whole batch.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use serde_json::json;

use super::directory::subjects::{self, instance_key};
use super::rows::{self, Read, subject_columns};
use super::{Again, Insertion, Row, SqlStore, Statement, Transaction, change_events, credentials};
use crate::domain::credential::{HashDigest, VersionedHash};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::subject::SubjectName;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{Authority, FoundSubject, ImportedSubject, Imports, Lookup};

#[async_trait]
impl Imports for SqlStore {
    async fn look_up_all(&self, names: &[(&TenantName, &SubjectName)]) -> Result<Vec<FoundSubject>, StoreError> {
        // Few in number, so that a name costs one search.
        let places: BTreeSet<_> = names.iter().map(|(tenant, name)| place_of(tenant, name)).collect();
        let wanted_places = places.iter().map(|(tenant, instance)| (tenant, instance));
        let of_places = Statement::of_parts(&[
            "SELECT r.value ->> 0 AS tenant, r.value ->> 1 AS instance, t.name AS of_tenant, o.region AS of_instance FROM ",
            self.database.rows_of_json(),
            " r LEFT JOIN tenant t ON t.name = r.value ->> 0
             LEFT JOIN instance o ON o.tenant = r.value ->> 0 AND o.id = r.value ->> 1",
        ]);
        let wanted_names = names.iter().enumerate().map(|(number, (tenant, name))| {
            (number, tenant.as_str(), name.kind().as_str(), instance_key(name.instance()), name.key())
        });
        let of_names = Statement::of_parts(&[
            "SELECT CAST(r.value ->> 0 AS BIGINT) AS number, ",
            subject_columns!(),
            ", c.version, c.hash, c.pepper_key, c.first_hash FROM ",
            self.database.rows_of_json(),
            " r JOIN ",
            self.database.rows_of_keys().subject_named,
            "
             LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance
             LEFT JOIN credential c ON c.subject_id = s.id",
        ]);
        let of_names = of_names.taking_long().bind(rows::to_json(&wanted_names.collect::<Vec<_>>())?);
        let of_places = of_places.bind(rows::to_json(&wanted_places.collect::<Vec<_>>())?);
        let [places, subjects] = self.read_together([of_places, of_names]).await?;
        let place = |row| Ok(((Row::text(row, "tenant")?, Row::text(row, "instance")?), row));
        let places = places.iter().map(place).collect::<Read<HashMap<_, _>>>()?;
        let mut by_number = HashMap::with_capacity(subjects.len());
        for row in &subjects {
            if by_number.insert(row.integer("number")?, row).is_some() {
                return Err(StoreError::Damaged("a name belongs to several subjects".to_owned()));
            }
        }
        let found = |((tenant, name), number): (&(&TenantName, &SubjectName), i64)| {
            if let Some(row) = by_number.get(&number) {
                return found_subject(row);
            }
            let place = places.get(&place_of(tenant, name)).ok_or_else(|| rows::damaged("tenant"))?;
            Ok(FoundSubject { lookup: Lookup::Missing(rows::absent(place, name)?), hash: None, first_hash: None })
        };
        names.iter().zip(0..).map(found).collect()
    }

    /// Runs in turn, because it relies only on constraints: names are unique, and tenants and instances must exist.
    async fn import(&self, subjects: &[ImportedSubject], authorities: &[Authority]) -> Result<bool, StoreError> {
        let list = self.database.rows_of_json();
        let import = self.write(StoreWork::Import).in_turn().authorized_by_all(authorities);
        import.run_or(|transaction| Box::pin(insert_all(transaction, list, subjects)), unless_taken).await
    }
}

/// A name that is taken by now is no failure of the store: another write was faster.
fn unless_taken(error: StoreError) -> Result<bool, StoreError> {
    if matches!(Again::of(&error), Some(Again::Constraint(_))) { Ok(false) } else { Err(error) }
}

/// The tenant of a name and its instance, empty if it has none.
fn place_of<'a>(tenant: &'a TenantName, name: &'a SubjectName) -> (&'a str, &'a str) {
    (tenant.as_str(), instance_key(name.instance()))
}

fn found_subject(row: &Row) -> Read<FoundSubject> {
    let versioned = || -> Read<_> {
        Ok(VersionedHash { version: rows::version(row, "version")?, hash: rows::hash(row, "hash", "pepper_key")? })
    };
    let hash = row.optional_integer("version")?.map(|_| versioned()).transpose()?;
    let first_hash = row.optional_integer("first_hash")?.map(u32::try_from).transpose();
    let first_hash = first_hash.map_err(|_| rows::damaged("first_hash"))?.map(HashDigest);
    Ok(FoundSubject { lookup: Lookup::Found(rows::subject(row)?), hash, first_hash })
}

/// Returns whether all have their tenants and instances. Fails with [`Again::Constraint`] if a name is taken.
async fn insert_all(
    transaction: &mut dyn Transaction,
    list: &'static str,
    imported: &[ImportedSubject],
) -> Result<bool, StoreError> {
    if !have_their_places(transaction, list, imported).await? {
        return Ok(false);
    }
    let tenants = tenants(transaction, list, imported).await?;
    let rows = imported.iter().map(|one| subjects::values(&one.tenant, &one.subject)).collect::<Read<Vec<_>>>()?;
    transaction.insert(Insertion { table: "subject", columns: &subjects::COLUMNS, rows }).await?;
    let rows = imported.iter().filter_map(|one| {
        let ImportedSubject { subject, changed_at, changed_by, change_id, .. } = one;
        Some(credentials::first(subject.id, one.hash.as_ref()?, *changed_at, *changed_by, *change_id))
    });
    let rows = rows.collect();
    insert_new(transaction, Insertion { table: "credential", columns: &credentials::COLUMNS, rows }).await?;
    change_events::insert_imported(transaction, imported, &tenants).await?;
    Ok(true)
}

/// Adds rows of new subjects, of which none can exist already.
pub(super) async fn insert_new(transaction: &mut dyn Transaction, insertion: Insertion) -> Result<(), StoreError> {
    let table = insertion.table;
    let added = transaction.insert(insertion).await;
    match added.as_ref().map_err(Again::of) {
        Err(Some(Again::Constraint(_))) => {
            Err(StoreError::Damaged(format!("\"{table}\" has rows of subjects that were not there")))
        }
        _ => added,
    }
}

/// Whether the tenant of each subject exists, and its instance if it belongs to one.
async fn have_their_places(
    transaction: &mut dyn Transaction,
    list: &'static str,
    imported: &[ImportedSubject],
) -> Result<bool, StoreError> {
    let places: BTreeSet<_> = imported.iter().map(|one| (&one.tenant, one.subject.name.instance())).collect();
    let places = places
        .into_iter()
        .map(|(tenant, instance)| json!({ "tenant": tenant.as_str(), "instance": instance.map(InstanceId::as_str) }));
    let absent = Statement::of_parts(&[
        "SELECT 1 FROM ",
        list,
        " r LEFT JOIN tenant t ON t.name = r.value ->> 'tenant'
         LEFT JOIN instance i ON i.tenant = r.value ->> 'tenant' AND i.id = r.value ->> 'instance'
         WHERE t.name IS NULL OR (r.value ->> 'instance' IS NOT NULL AND i.id IS NULL) LIMIT 1",
    ]);
    let absent = absent.bind(rows::to_json(&places.collect::<Vec<_>>())?);
    Ok(transaction.fetch_first(absent).await?.is_none())
}

/// The ids of the tenants, by name.
async fn tenants(
    transaction: &mut dyn Transaction,
    list: &'static str,
    imported: &[ImportedSubject],
) -> Result<HashMap<String, String>, StoreError> {
    let names: BTreeSet<_> = imported.iter().map(|one| &one.tenant).collect();
    let names: Vec<_> = names.into_iter().map(|name| json!({ "name": name.as_str() })).collect();
    let ids =
        Statement::of_parts(&["SELECT t.id, t.name FROM ", list, " r JOIN tenant t ON t.name = r.value ->> 'name'"]);
    let found = transaction.fetch(ids.bind(rows::to_json(&names)?)).await?;
    found.iter().map(|row| Ok((row.text("name")?.to_owned(), row.text("id")?.to_owned()))).collect()
}
