//! Looking at a file as SQLite sees it, and at everything that it holds.

use std::path::Path;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::connect::look;
use super::open::{OpenError, identify, verify};
use crate::ports::{Pepper, StoreError};
use crate::store::CheckReport;
use crate::store::sql;

/// Reads everything in the store of that file and tells what is damaged. Changes nothing. With a pepper, opens every
/// wrapped hash.
pub async fn check(path: &Path, pepper: Option<&dyn Pepper>) -> Result<CheckReport, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))?;
    identify(&path)?;
    match verify(&path).await {
        Ok(()) => {}
        // Nothing can be said of rows whose tables are not as they should be.
        Err(OpenError::Damaged { detail, .. }) => return Ok(CheckReport { sound_rows: 0, damages: vec![detail] }),
        Err(error) => return Err(error),
    }
    let database = look(&path).await.map_err(|error| OpenError::of_driver(&path, error))?;
    let mut report = CheckReport::default();
    check_file(&database.patient_readers, &mut report).await;
    sql::check(&database, pepper, &mut report).await;
    Ok(report)
}

/// Lets SQLite look at pages, indexes, constraints and references.
async fn check_file(file: &SqlitePool, report: &mut CheckReport) {
    match sqlx::query_scalar::<_, String>("PRAGMA integrity_check").fetch_all(file).await {
        Ok(lines) => report.damages.extend(lines.into_iter().filter(|line| line != "ok")),
        Err(error) => report.add("", error.into()),
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(file).await;
    match dangling.and_then(|rows| rows.iter().map(dangling_line).collect::<Result<Vec<_>, _>>()) {
        Ok(lines) => report.damages.extend(lines),
        Err(error) => report.add("", StoreError::from(error)),
    }
}

fn dangling_line(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let (table, parent): (String, String) = (row.try_get("table")?, row.try_get("parent")?);
    let number: Option<i64> = row.try_get("rowid")?;
    Ok(format!("{table}, row {}: refers to a row of {parent} that is not there", number.unwrap_or_default()))
}
