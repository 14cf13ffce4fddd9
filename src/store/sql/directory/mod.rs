//! Tenants, instances and subjects.

mod instances;
pub(super) mod subjects;
mod tenants;

use super::rows::Read;
use super::{Row, Transaction, sql};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::ports::StoreError;

/// Whether the tenant exists.
async fn has_tenant(transaction: &mut dyn Transaction, name: &TenantName) -> Result<bool, StoreError> {
    let found = sql("SELECT name FROM tenant WHERE name = $1").bind(name);
    Ok(transaction.fetch_first(found).await?.is_some())
}

/// The key that a page starts after. Every key sorts after the empty one.
pub(super) fn start_of(page: &PageRequest) -> &str {
    page.after.as_deref().unwrap_or_default()
}

/// Builds a page of the rows found: one more than the page size if there are further pages.
pub(super) fn page_of<T>(
    found: &[Row],
    page: &PageRequest,
    read: impl Fn(&Row) -> Read<T>,
    key: impl Fn(&T) -> String,
) -> Read<Page<T>> {
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let items = found.iter().take(size).map(read).collect::<Read<Vec<T>>>()?;
    let next = if found.len() > size { items.last().map(key) } else { None };
    Ok(Page { items, next })
}
