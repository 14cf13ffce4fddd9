//! Creates the schema, or migrates an older one.

use sqlx::{Connection, PgConnection};

use super::errors;
use super::hosts::Hosts;
use super::open::OpenError;
use super::url::Url;
use crate::ports::retries::TRIES_IN_A_RACE;
use crate::store::{KNOWN_SCHEMA, Migrated};

/// The migrations, by the schema version that each makes. A number means the same as in the embedded database.
const MIGRATIONS: &[(u32, &str)] = &[
    (5, include_str!("migrations/0005_schema.sql")),
    (6, include_str!("migrations/0006_overlaps.sql")),
    (7, include_str!("migrations/0007_import.sql")),
    (8, include_str!("migrations/0008_scale.sql")),
    (9, include_str!("migrations/0009_bound_to_tenants.sql")),
    (10, include_str!("migrations/0010_delivery.sql")),
    (11, include_str!("migrations/0011_delivery_ahead.sql")),
];

/// Migrates the store's schema to the newest version, or creates it in an empty database. Each step is one transaction.
///
/// Several processes may do so at the same time. That takes no lock, which some databases of this kind lack: each step
/// begins by inserting the row of its number, which only one process can do.
pub async fn migrate(url: &Url) -> Result<Migrated, OpenError> {
    // A separate connection, so that closing it discards whatever a failed step leaves behind.
    let (mut connection, _) = Hosts::of(url).connect().await?;
    let from = not_newer(schema_of(&mut connection).await?)?;
    let mut tries = 0;
    loop {
        let found = not_newer(schema_of(&mut connection).await?)?;
        let Some((schema, step)) = MIGRATIONS.iter().find(|(schema, _)| *schema > found) else { break };
        tries += 1;
        match take(&mut connection, *schema, step).await {
            Ok(()) => tries = 0,
            Err(error) if errors::is_race(&error) && tries < TRIES_IN_A_RACE => {}
            Err(error) => return Err(OpenError::of_migration(error)),
        }
    }
    connection.close().await?;
    Ok(Migrated { from, to: KNOWN_SCHEMA })
}

/// Takes one step.
async fn take(connection: &mut PgConnection, schema: u32, step: &'static str) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS schema_migration (version BIGINT NOT NULL PRIMARY KEY)")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO schema_migration (version) VALUES ($1)")
        .bind(i64::from(schema))
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(step).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// The schema version of the database; 0 if it holds no store.
pub(super) async fn schema_of(connection: &mut PgConnection) -> Result<u32, sqlx::Error> {
    let newest =
        sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM schema_migration").fetch_one(connection).await;
    match newest {
        Ok(newest) => Ok(u32::try_from(newest.unwrap_or_default().max(0)).unwrap_or(u32::MAX)),
        Err(error) if errors::is_undefined_table(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

/// The schema version, unless it is newer than the program.
pub(super) fn not_newer(found: u32) -> Result<u32, OpenError> {
    if found > KNOWN_SCHEMA { Err(OpenError::Newer { found }) } else { Ok(found) }
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
