//! Checks a file with SQLite's own checks, and then everything stored in it.

use std::path::Path;

use super::driver::SqliteDatabase;
use super::open::{OpenError, identify, verify};
use super::owner::require_same_name;
use crate::ports::{Pepper, StoreError};
use crate::store::CheckReport;
use crate::store::sql::{self, Database, Row, sql};

/// Reads everything in the store in that file and reports damage. Changes nothing. With a pepper, opens every wrapped
/// hash.
pub async fn check(path: &Path, pepper: Option<&dyn Pepper>) -> Result<CheckReport, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))?;
    identify(&path)?;
    require_same_name(&path).await?;
    match verify(&path) {
        Ok(()) => {}
        // Rows cannot be judged if their tables are not as expected.
        Err(OpenError::Damaged { detail, .. }) => {
            return Ok(CheckReport { damages: vec![detail], ..CheckReport::default() });
        }
        Err(error) => return Err(error),
    }
    let database = SqliteDatabase::look(&path);
    let mut report = CheckReport::default();
    check_file(&database, &mut report).await;
    check_length(&database, &path, &mut report).await;
    sql::check(&database, pepper, &mut report).await;
    Ok(report)
}

/// Runs SQLite's checks of pages, indexes, constraints and references.
async fn check_file(database: &SqliteDatabase, report: &mut CheckReport) {
    let mut look = async |pragma, line: fn(&Row) -> Result<String, StoreError>| {
        let found = database.read(&[sql(pragma).taking_long()]).await;
        match found.and_then(|found| found.iter().flatten().map(line).collect::<Result<Vec<_>, _>>()) {
            Ok(lines) => report.damages.extend(lines.into_iter().filter(|line| line != "ok")),
            Err(error) => report.add("", error),
        }
    };
    look("PRAGMA integrity_check", |row| Ok(row.text("integrity_check")?.to_owned())).await;
    look("PRAGMA foreign_key_check", dangling_line).await;
}

/// SQLite reads the missing end of a page as zeros, which may be a valid row.
async fn check_length(database: &SqliteDatabase, path: &Path, report: &mut CheckReport) {
    let page_size = database.read(&[sql("PRAGMA page_size")]).await;
    let page_size = page_size.ok().and_then(|found| found.first()?.first()?.integer("page_size").ok()?.try_into().ok());
    let length = std::fs::metadata(path).map(|file| file.len());
    if let (Some(page_size), Ok(length)) = (page_size, length)
        && length.checked_rem(page_size).is_some_and(|rest: u64| rest > 0)
    {
        report.damages.push("the file ends within a page".to_owned());
    }
}

fn dangling_line(row: &Row) -> Result<String, StoreError> {
    let (table, parent) = (row.text("table")?, row.text("parent")?);
    let number = row.optional_integer("rowid")?.unwrap_or_default();
    Ok(format!("{table}, row {number}: refers to a row of {parent} that is not there"))
}
