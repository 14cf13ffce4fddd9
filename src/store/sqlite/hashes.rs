//! All hashes, a page at a time.

use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::directory::{page_of, start_of};
use super::rows::{self, Read};
use crate::domain::credential::PasswordHash;
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::SubjectId;
use crate::ports::StoreError;

/// The current hashes of a tenant's subjects, or of all, by the subject's id.
pub(super) async fn list(
    store: &SqliteStore,
    tenant: Option<&TenantName>,
    page: &PageRequest,
) -> Result<Page<PasswordHash>, StoreError> {
    // `CROSS JOIN` keeps SQLite from sorting a tenant's subjects anew for each page.
    let select = match tenant {
        None => "SELECT subject_id, hash FROM credential WHERE subject_id > $1 ORDER BY subject_id LIMIT $2",
        Some(_) => {
            "SELECT c.subject_id, c.hash FROM credential c CROSS JOIN subject s ON s.id = c.subject_id
             WHERE c.subject_id > $1 AND s.tenant = $3 ORDER BY c.subject_id LIMIT $2"
        }
    };
    let query = sqlx::query(select).bind(start_of(page)).bind(i64::from(page.size) + 1);
    let query = match tenant {
        None => query,
        Some(tenant) => query.bind(tenant.as_str()),
    };
    let page = page_of(&query.fetch_all(&store.readers).await?, page, entry, |(subject, _)| subject.to_string())?;
    Ok(Page { items: page.items.into_iter().map(|(_, hash)| hash).collect(), next: page.next })
}

fn entry(row: &SqliteRow) -> Read<(SubjectId, PasswordHash)> {
    Ok((SubjectId(rows::uuid(row, "subject_id")?), rows::hash(row, "hash")?))
}
