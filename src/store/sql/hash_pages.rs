//! All hashes, in pages.

use super::directory::{page_of, start_of};
use super::rows::{self, Read};
use super::{Row, SqlStore, sql};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::SubjectId;
use crate::ports::StoreError;
use crate::ports::store::HashEntry;

/// The current hashes of one tenant's subjects, or of all subjects, ordered by subject id.
pub(super) async fn list(
    store: &SqlStore,
    tenant: Option<&TenantName>,
    page: &PageRequest,
) -> Result<Page<HashEntry>, StoreError> {
    let statement = match tenant {
        None => sql("SELECT subject_id, version, hash, pepper_key FROM credential
             WHERE subject_id > $1 ORDER BY subject_id LIMIT $2"),
        // The second bound is for a database that merges both tables: otherwise it would start at the first credential.
        Some(_) => sql("SELECT c.subject_id, c.version, c.hash, c.pepper_key
             FROM subject s JOIN credential c ON c.subject_id = s.id
             WHERE s.tenant = $3 AND s.id > $1 AND c.subject_id > $1 ORDER BY s.id LIMIT $2"),
    };
    let statement = statement.taking_long().bind(start_of(page)).bind(i64::from(page.size) + 1);
    page_of(&store.read(statement.bind_some(tenant)).await?, page, entry, |entry| entry.subject.to_string())
}

/// Reads a stored hash with its subject and version.
pub(super) fn entry(row: &Row) -> Read<HashEntry> {
    Ok(HashEntry {
        subject: SubjectId(rows::uuid(row, "subject_id")?),
        version: rows::version(row, "version")?,
        hash: rows::hash(row, "hash", "pepper_key")?,
    })
}
