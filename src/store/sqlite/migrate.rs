//! Creates the schema, or migrates an older one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};
use tempfile::TempPath;

use super::connect::writing;
use super::lock_retries::apart;
use super::open::{OpenError, identify, require_writable, schema_version, verify};
use super::owner::Owner;
use crate::store::{KNOWN_SCHEMA, Migrated};

/// The migrations, by the schema version that each makes.
const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("migrations/0001_schema.sql")),
    (2, include_str!("migrations/0002_revision.sql")),
    (3, include_str!("migrations/0003_pepper.sql")),
    (4, include_str!("migrations/0004_change_events.sql")),
    (5, include_str!("migrations/0005_client_tokens.sql")),
    (6, include_str!("migrations/0006_overlaps.sql")),
    (7, include_str!("migrations/0007_import.sql")),
    (8, include_str!("migrations/0008_scale.sql")),
    (9, include_str!("migrations/0009_bound_to_tenants.sql")),
    (10, include_str!("migrations/0010_delivery.sql")),
    (11, include_str!("migrations/0011_delivery_ahead.sql")),
];

/// Migrates the schema of the store in that file to the newest version. Each step is one transaction.
pub async fn migrate(path: &Path) -> Result<Migrated, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))?;
    identify(&path)?;
    require_writable(&path)?;
    let from = schema_version(&path)?;
    if from < KNOWN_SCHEMA {
        let _owner = Owner::take(&path).await?;
        let file = path.clone();
        let migrated = apart(move || take_steps(&mut writing(&file)?)).await.and_then(|migrated| migrated);
        migrated.map_err(|error| OpenError::of_driver(&path, error))?;
    }
    verify(&path)?;
    Ok(Migrated { from, to: KNOWN_SCHEMA })
}

/// Creates a store. It gets its name once it is complete, so that an incomplete store is never found.
pub(super) fn create(path: &Path) -> Result<(), OpenError> {
    let of_io = |error| OpenError::of_io(path, error);
    let directory = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(of_io)?;
    if fs::metadata(directory).map_err(of_io)?.permissions().readonly() {
        return Err(OpenError::ReadOnlyDirectory(path.to_owned()));
    }
    refuse_left_log(path)?;

    let unnamed = with_suffix(path, &format!(".new-{}", std::process::id()));
    remove(&unnamed);
    // SQLite gives its other two files the mode of this one.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed).map_err(of_io)?;
    give_to_owner_of(&file, directory).map_err(of_io)?;
    drop(file);
    let made = writing(&unnamed).and_then(|mut connection| take_steps(&mut connection));
    let named = match made {
        // Another process may have been faster.
        Ok(()) => give_name(&unnamed, path).or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => Ok(()),
            _ => Err(of_io(error)),
        }),
        Err(error) => Err(OpenError::of_driver(&unnamed, error)),
    };
    remove(&unnamed);
    named?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(of_io)
}

/// Takes the remaining steps. Another process may do so at the same time, so each step checks the version again.
fn take_steps(connection: &mut Connection) -> rusqlite::Result<()> {
    for (schema, step) in MIGRATIONS {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version_of(&transaction)? < *schema {
            transaction.execute_batch(step)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// The schema version of a database.
pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<u32> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // The field is signed in the file format; this program never writes a negative version.
    Ok(u32::try_from(version.max(0)).unwrap_or(u32::MAX))
}

/// The statements that made this program's tables and indexes in a database, without the list of migrations that older
/// versions kept beside them.
pub(super) fn schema_of(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut select = connection.prepare(
        "SELECT name, sql FROM sqlite_schema
         WHERE sql IS NOT NULL AND name <> '_sqlx_migrations' AND substr(name, 1, 7) <> 'sqlite_'
         ORDER BY name",
    )?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The result of [`schema_of`] for a new store.
pub(super) fn expected_schema() -> rusqlite::Result<Vec<(String, String)>> {
    let mut connection = Connection::open_in_memory()?;
    take_steps(&mut connection)?;
    schema_of(&connection)
}

/// Gives a new file the owner and the group of another one if root has made it, so that a service that is not root can open it.
/// SQLite does so with the files that it makes beside a database, and like it this goes on where owners can't be changed.
pub(super) fn give_to_owner_of(new: &File, other: &Path) -> io::Result<()> {
    if new.metadata()?.uid() == 0 {
        let other = fs::metadata(other)?;
        let _ = fchown(new, Some(other.uid()), Some(other.gid()));
    }
    Ok(())
}

/// Gives a complete file its name, and fails with [`ErrorKind::AlreadyExists`] if another file has it.
pub(super) fn give_name(unnamed: &Path, path: &Path) -> io::Result<()> {
    TempPath::try_from_path(unnamed)?.persist_noclobber(path).map_err(|failed| failed.error)
}

/// Fails if there is a log that SQLite would read with a new database of that name. It belongs to one that is not there.
pub(super) fn refuse_left_log(path: &Path) -> Result<(), OpenError> {
    let logs = ["-wal", "-journal"].map(|suffix| with_suffix(path, suffix));
    let found = logs.into_iter().find(|log| fs::metadata(log).is_ok_and(|log| log.len() > 0));
    // Looked at last: another process may just have made both.
    match found {
        Some(log) if fs::symlink_metadata(path).is_err() => Err(OpenError::LogLeft(log)),
        _ => Ok(()),
    }
}

/// Removes a database file that never got its name, and its companion files. If that fails, the next creation tries
/// again.
pub(super) fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(with_suffix(path, suffix));
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_schema_is_the_newest_migration() {
        assert!(MIGRATIONS.is_sorted_by_key(|(schema, _)| *schema));
        assert_eq!(MIGRATIONS.last().map(|(schema, _)| *schema), Some(KNOWN_SCHEMA));
    }
}
