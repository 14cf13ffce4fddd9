//! Location of a store: the only place that distinguishes the databases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::postgres;
use super::{CheckReport, Migrated, SqlStore, sqlite};
use crate::ports::{Clock, Entropy, Pepper};

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Url>, postgres::Settings),
}

/// A file that opening a store reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFile<'a> {
    /// It holds certificates.
    Public(&'a Path),
    /// It holds a private key.
    Secret(&'a Path),
}

/// Purpose of opening a store. Only one process at a time can serve from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// To serve requests.
    ToServe,
    /// For a command that may run beside the serving process.
    Beside,
}

/// Why opening a store failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Opening the file failed.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// Opening the database on the server failed.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

impl Location {
    /// Files, apart from the store's own, that opening the store reads.
    pub fn files(&self) -> Vec<StoreFile<'_>> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            #[cfg(feature = "postgres")]
            Self::Postgres(url, _) => {
                url.certificates().map(StoreFile::Public).chain(url.private_key().map(StoreFile::Secret)).collect()
            }
        }
    }

    /// Opens the store.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "a file needs neither"))]
    pub async fn open(
        &self,
        opening: Opening,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<SqlStore, OpenError> {
        match self {
            Self::Sqlite(path) => Ok(match opening {
                Opening::ToServe => sqlite::open_to_serve(path).await?,
                Opening::Beside => sqlite::open(path).await?,
            }),
            #[cfg(feature = "postgres")]
            Self::Postgres(url, settings) => {
                Ok(postgres::open(url, *settings, Arc::clone(clock), Arc::clone(entropy)).await?)
            }
        }
    }

    /// Migrates the store's schema to the newest version.
    pub async fn migrate(&self) -> Result<Migrated, OpenError> {
        match self {
            Self::Sqlite(path) => Ok(sqlite::migrate(path).await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(url, _) => Ok(postgres::migrate(url).await?),
        }
    }

    /// Reads everything in the store and reports damage. Changes nothing. With a pepper, opens every wrapped hash.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "a file needs none"))]
    pub async fn check(&self, pepper: Option<&dyn Pepper>, clock: &Arc<dyn Clock>) -> Result<CheckReport, OpenError> {
        match self {
            Self::Sqlite(path) => Ok(sqlite::check(path, pepper).await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(url, _) => Ok(postgres::check(url, pepper, Arc::clone(clock)).await?),
        }
    }
}
