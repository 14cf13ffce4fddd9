//! The location of the store, from the settings.

use super::{OperatorFile, OperatorFileError};
use crate::config::{Config, Secret, StoreLocation, holds_password};
use crate::store::{Location, StoreFile};

/// Why the settings name no store.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// The file with the URL can't be used.
    #[error("the file {0}")]
    File(#[from] OperatorFileError),
    /// The value is not the URL of a store.
    #[error("{0}")]
    Url(String),
    /// Files that the URL names can't be used.
    #[error("names a file: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; and a file: "))]
    Named(Vec<OperatorFileError>),
}

/// The location of the store, from the settings. The file with the URL, if there is one, overrides the URL.
///
/// # Errors
/// The settings name no store, or files of it that can't be used.
pub fn location(config: &Config) -> Result<Location, LocationError> {
    let read;
    let url = match &config.store.url_file {
        None => &config.store.url,
        Some(path) => {
            let file = OperatorFile::read(path)?;
            if file.is_open_to_all && holds_password(&file.text) {
                return Err(OperatorFileError::OpenToAll { path: path.clone() }.into());
            }
            read = StoreLocation::parse(file.text.trim())
                .map_err(|problem| LocationError::Url(format!("holds what {problem}")))?;
            &read
        }
    };
    let location = match url {
        StoreLocation::Sqlite(path) => Location::Sqlite(path.clone()),
        StoreLocation::Postgres(url) => postgres(url, config)?,
    };
    let unusable = location.files().into_iter().filter_map(|file| match file {
        StoreFile::Public(path) => OperatorFile::read(path).err(),
        StoreFile::Secret(path) => OperatorFile::read_secret(path).err(),
    });
    let unusable: Vec<_> = unusable.collect();
    if unusable.is_empty() { Ok(location) } else { Err(LocationError::Named(unusable)) }
}

#[cfg(feature = "postgres")]
fn postgres(url: &Secret, config: &Config) -> Result<Location, LocationError> {
    use std::time::Duration;

    use crate::store::postgres::{Settings, Url};

    let url = Url::parse(url.expose()).map_err(|error| LocationError::Url(error.to_string()))?;
    let settings = Settings {
        connections: config.postgres.connections,
        patience: Duration::from_secs(config.postgres.patience_seconds),
        statement_timeout: Duration::from_secs(config.postgres.statement_timeout_seconds),
    };
    Ok(Location::Postgres(Box::new(url), settings))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &Secret, _: &Config) -> Result<Location, LocationError> {
    Err(LocationError::Url("names PostgreSQL, which this program was built without".to_owned()))
}
