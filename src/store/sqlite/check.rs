//! Reading everything, to find what is damaged.

use std::path::Path;

use sqlx::sqlite::SqliteRow;
use sqlx::{ConnectOptions, Row, SqliteConnection};
use tokio_stream::StreamExt;

use super::connect::looking;
use super::open::{OpenError, identify, verify};
use super::rows::{self, Read, subject_columns};
use super::{SqliteStore, audit, settings};
use crate::domain::credential::PasswordHash;
use crate::ports::StoreError;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many rows were read and understood.
    pub sound_rows: u64,
    /// Everything that is damaged, a line each; holds nothing that is stored.
    pub damages: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }
}

impl SqliteStore {
    /// Reads everything in the store of that file and tells what is damaged. Changes nothing.
    pub async fn check(path: &Path) -> Result<CheckReport, OpenError> {
        let path = std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))?;
        identify(&path)?;
        match verify(&path).await {
            Ok(()) => {}
            // Nothing can be said of rows whose tables are not as they should be.
            Err(OpenError::Damaged { detail, .. }) => return Ok(CheckReport { sound_rows: 0, damages: vec![detail] }),
            Err(error) => return Err(error),
        }
        let mut connection = looking(&path).connect().await.map_err(|error| OpenError::of_driver(&path, error))?;
        let mut report = CheckReport::default();
        check_file(&mut connection, &mut report).await;
        for (table, select, read) in TABLES {
            check_rows(&mut connection, &mut report, table, select, *read).await;
        }
        for (rule, select) in RULES {
            check_rule(&mut connection, &mut report, rule, select).await;
        }
        Ok(report)
    }
}

/// Reads a row, as strictly as any part of the program does.
type ReadRow = fn(&SqliteRow) -> Read<()>;

/// Every table, what is read of it, and how.
const TABLES: &[(&str, &str, ReadRow)] = &[
    ("tenant", "SELECT rowid, * FROM tenant", |row| {
        rows::tenant(row)?;
        rows::parsed(row, "settings", settings::of_text).map(drop)
    }),
    ("instance", "SELECT rowid, * FROM instance", |row| rows::instance(row).map(drop)),
    (
        "subject",
        concat!(
            "SELECT s.rowid, ",
            subject_columns!(),
            " FROM subject s LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance"
        ),
        |row| rows::subject(row).map(drop),
    ),
    ("credential", "SELECT rowid, * FROM credential", |row| {
        rows::change_id(row, "change_id")?;
        looks_like_phc(&rows::credential(row)?.hash)
    }),
    ("earlier_hash", "SELECT rowid, * FROM earlier_hash", |row| {
        rows::change_id(row, "change_id")?;
        rows::version(row, "version")?;
        looks_like_phc(&rows::hash(row, "hash")?)
    }),
    ("pair_failures", "SELECT rowid, * FROM pair_failures", |row| {
        is_digest(row, "subject_key")?;
        is_digest(row, "caller_key")?;
        rows::failures(row, "count", "last_at").map(drop)
    }),
    ("subject_failures", "SELECT rowid, * FROM subject_failures", |row| {
        is_digest(row, "subject_key")?;
        rows::failures(row, "count", "last_at").map(drop)
    }),
    ("access_token", "SELECT rowid, * FROM access_token", |row| {
        is_digest(row, "digest")?;
        rows::access_token(row).map(drop)
    }),
    ("audit_event", "SELECT number AS rowid, * FROM audit_event", |row| audit::event(row).map(drop)),
];

/// What holds between rows, and how many break it.
const RULES: &[(&str, &str)] = &[
    (
        "earlier hashes that are not earlier than their credential",
        "SELECT count(*) FROM earlier_hash e LEFT JOIN credential c ON c.subject_id = e.subject_id
         WHERE c.version IS NULL OR c.version <= e.version",
    ),
    (
        "subjects whose failures are not those of their callers",
        "SELECT count(*) FROM subject_failures s
         WHERE s.count <> (SELECT coalesce(sum(p.count), 0) FROM pair_failures p WHERE p.subject_key = s.subject_key)",
    ),
    (
        "failures that are not counted for their subject",
        "SELECT count(*) FROM pair_failures p
         WHERE NOT EXISTS (SELECT 1 FROM subject_failures s WHERE s.subject_key = p.subject_key)",
    ),
];

/// Lets SQLite look at pages, indexes, constraints and references.
async fn check_file(connection: &mut SqliteConnection, report: &mut CheckReport) {
    match sqlx::query_scalar::<_, String>("PRAGMA integrity_check").fetch_all(&mut *connection).await {
        Ok(lines) => report.damages.extend(lines.into_iter().filter(|line| line != "ok")),
        Err(error) => report.damages.push(detail(error.into())),
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(connection).await;
    match dangling.map_err(StoreError::from).and_then(|rows| rows.iter().map(dangling_line).collect::<Read<Vec<_>>>()) {
        Ok(lines) => report.damages.extend(lines),
        Err(error) => report.damages.push(detail(error)),
    }
}

fn dangling_line(row: &SqliteRow) -> Read<String> {
    let (table, parent): (String, String) = (row.try_get("table")?, row.try_get("parent")?);
    let number: Option<i64> = row.try_get("rowid")?;
    Ok(format!("{table}, row {}: refers to a row of {parent} that is not there", number.unwrap_or_default()))
}

async fn check_rows(
    connection: &mut SqliteConnection,
    report: &mut CheckReport,
    table: &str,
    select: &'static str,
    read: ReadRow,
) {
    let mut found = sqlx::query(select).fetch(connection);
    while let Some(row) = found.next().await {
        let row = match row {
            Ok(row) => row,
            // Nothing after it can be reached.
            Err(error) => return report.damages.push(format!("{table}: {}", detail(error.into()))),
        };
        match read(&row) {
            Ok(()) => report.sound_rows += 1,
            Err(error) => {
                let number: i64 = row.try_get("rowid").unwrap_or_default();
                report.damages.push(format!("{table}, row {number}: {}", detail(error)));
            }
        }
    }
}

async fn check_rule(
    connection: &mut SqliteConnection,
    report: &mut CheckReport,
    rule: &'static str,
    select: &'static str,
) {
    match sqlx::query_scalar::<_, i64>(select).fetch_one(connection).await {
        Ok(0) => {}
        Ok(count) => report.damages.push(format!("{count} {rule}")),
        Err(error) => report.damages.push(detail(error.into())),
    }
}

/// What was found, without the words that every damage has in common.
fn detail(error: StoreError) -> String {
    match error {
        StoreError::Damaged(detail) => detail,
        error => error.to_string(),
    }
}

/// Whether the text has the shape of a PHC or a crypt string: `$`, a name, `$`, and the rest, all of it visible ASCII.
/// What the rest means is the hash engine's to say.
fn looks_like_phc(hash: &PasswordHash) -> Read<()> {
    let mut parts = hash.expose().split('$');
    let starts = parts.next() == Some("");
    let named = parts.next().is_some_and(|name| {
        (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    });
    let goes_on = parts.next_back().is_some_and(|last| !last.is_empty());
    let visible = hash.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if starts && named && goes_on && visible { Ok(()) } else { Err(rows::damaged("hash")) }
}

fn is_digest(row: &SqliteRow, column: &str) -> Read<()> {
    let bytes: Vec<u8> = row.try_get(column)?;
    if bytes.len() == 32 { Ok(()) } else { Err(rows::damaged(column)) }
}
