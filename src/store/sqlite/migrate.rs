//! Making the schema, and bringing an older one up to date.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::connect::{options, writing};
use super::open::{OpenError, identify, require_writable, schema_version, verify};
use crate::store::{KNOWN_SCHEMA, Migrated};

static MIGRATOR: Migrator = sqlx::migrate!("src/store/sqlite/migrations");

/// Brings the schema of the store in that file up to date, each step in a transaction of its own.
pub async fn migrate(path: &Path) -> Result<Migrated, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))?;
    identify(&path)?;
    require_writable(&path)?;
    let from = schema_version(&path).await?;
    if from < KNOWN_SCHEMA {
        run_migrations(&path).await?;
    }
    verify(&path).await?;
    Ok(Migrated { from, to: KNOWN_SCHEMA })
}

/// Makes a store. It gets its name once it is whole, so that nobody ever finds half of one.
pub(super) async fn create(path: &Path) -> Result<(), OpenError> {
    let of_io = |error| OpenError::of_io(path, error);
    let directory = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(of_io)?;
    if fs::metadata(directory).map_err(of_io)?.permissions().readonly() {
        return Err(OpenError::ReadOnlyDirectory(path.to_owned()));
    }

    let unnamed = with_suffix(path, &format!(".new-{}", std::process::id()));
    remove(&unnamed);
    // SQLite gives its other two files the mode of this one.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed).map_err(of_io)?;
    let named = match run_migrations(&unnamed).await {
        // Unlike renaming, this never replaces the store of somebody who was faster.
        Ok(()) => fs::hard_link(&unnamed, path).or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => Ok(()),
            _ => Err(of_io(error)),
        }),
        Err(error) => Err(error),
    };
    remove(&unnamed);
    named?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(of_io)
}

/// Runs the migrations on a connection of their own, which takes along whatever a failed one leaves behind.
async fn run_migrations(path: &Path) -> Result<(), OpenError> {
    let of_driver = |error| OpenError::of_driver(path, error);
    let mut connection = writing(path).connect().await.map_err(of_driver)?;
    apply_migrations(&mut connection).await.map_err(of_driver)?;
    connection.close().await.map_err(of_driver)
}

/// Not by `Migrator::run`, whose bounds keep the future from being sent to another thread.
async fn apply_migrations(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    Ok(MIGRATOR.run_direct(None, connection, false).await?)
}

/// The statements that made the tables and indexes of a database, ours.
pub(super) async fn schema_of(connection: &mut SqliteConnection) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema
         WHERE sql IS NOT NULL AND substr(name, 1, 5) <> '_sqlx' AND substr(name, 1, 7) <> 'sqlite_'
         ORDER BY name",
    )
    .fetch_all(connection)
    .await
}

/// What [`schema_of`] gives for a store that was just made.
pub(super) async fn expected_schema() -> Result<Vec<(String, String)>, sqlx::Error> {
    let mut connection = options().in_memory(true).connect().await?;
    apply_migrations(&mut connection).await?;
    let schema = schema_of(&mut connection).await?;
    connection.close().await?;
    Ok(schema)
}

/// Removes a database file that never got its name, with its companions. Where that fails, the next creation tries
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
        assert_eq!(MIGRATOR.iter().map(|migration| migration.version).max(), Some(KNOWN_SCHEMA.into()));
    }
}
