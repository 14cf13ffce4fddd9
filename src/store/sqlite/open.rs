//! Opens a store, and lists the reasons why that can fail.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, access};

use super::connect::looking;
use super::driver::SqliteDatabase;
use super::errors::{code, code_of};
use super::files::identity_of;
use super::header::{self, FileKind};
use super::migrate::{create, expected_schema, schema_of, version_of};
use super::owner::{Owner, require_same_name};
use crate::store::{KNOWN_SCHEMA, SqlStore};

/// Opens the store in that file, or creates one if there is none. Another process may be serving from it. A file that
/// is refused stays unchanged.
///
/// A process may open a store only once.
pub async fn open(path: &Path) -> Result<SqlStore, OpenError> {
    let path = prepared(path)?;
    require_same_name(&path).await?;
    open_as(&path, None).await
}

/// Like [`open`], for the one process that serves from the store.
pub async fn open_to_serve(path: &Path) -> Result<SqlStore, OpenError> {
    let path = prepared(path)?;
    let owner = Owner::take(&path).await?;
    open_as(&path, Some(owner)).await
}

/// Creates a store if there is none, and checks the file without opening the store.
fn prepared(path: &Path) -> Result<PathBuf, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))?;
    if !path.try_exists().map_err(|error| OpenError::of_io(&path, error))? {
        create(&path)?;
    }
    identify(&path)?;
    require_private(&path)?;
    require_writable(&path)?;
    Ok(path)
}

async fn open_as(path: &Path, owner: Option<Owner>) -> Result<SqlStore, OpenError> {
    let of_io = |error| OpenError::of_io(path, error);
    let before = identity_of(path).map_err(of_io)?;
    verify(path)?;
    let database = SqliteDatabase::open(path, owner).await?;
    // If the store was restored meanwhile, some connections may have the old file and some the new one.
    if identity_of(path).map_err(of_io)? != before {
        return Err(OpenError::Locked(path.to_owned()));
    }
    Ok(SqlStore::new(Arc::new(database), None))
}

/// Why opening a store failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file does not exist.
    #[error("there is no store at {}", .0.display())]
    Absent(PathBuf),
    /// It is a directory.
    #[error("{} is a directory, not a store", .0.display())]
    IsDirectory(PathBuf),
    /// It is not a SQLite database.
    #[error("{} is not a database", .0.display())]
    NotADatabase(PathBuf),
    /// It is a SQLite database, but not one of this program.
    #[error("{} is a database of another program", .0.display())]
    NotAStore(PathBuf),
    /// A newer program has migrated it.
    #[error("the store {} has schema {found}, this program knows {KNOWN_SCHEMA}: use a newer program", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
    },
    /// It was not migrated since the program was updated.
    #[error("the store {} has schema {found}, this program needs {KNOWN_SCHEMA}: run `credentiald migrate`", .path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
    },
    /// Every user of the machine has access to the file.
    #[error("the store {0} is accessible to all users: run chmod o= {0}", .path.display())]
    OpenToAll {
        /// The file.
        path: PathBuf,
    },
    /// The file is not writable.
    #[error("the store {} is read-only", .0.display())]
    ReadOnlyFile(PathBuf),
    /// The directory is not writable; the write-ahead log is kept there.
    #[error("the directory of the store {} is read-only", .0.display())]
    ReadOnlyDirectory(PathBuf),
    /// The operating system denies access to the file or to its directory.
    #[error("access to {} is denied", .path.display())]
    AccessDenied {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another process has it locked.
    #[error("the store {} is locked by another process", .0.display())]
    Locked(PathBuf),
    /// Another process serves from it.
    #[error("the store {} is locked by another process: {owner}", .path.display())]
    Owned {
        /// The file.
        path: PathBuf,
        /// What is known about that process.
        owner: String,
    },
    /// It does not exist, but the log of one of that name does.
    #[error(
        "{} is the log of a store that is not there: put that store back beside it, or move this file away", .0.display()
    )]
    LogLeft(PathBuf),
    /// Its contents cannot be understood.
    #[error("the store {} is damaged: {detail}; run `credentiald store check`", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage found.
        detail: String,
    },
    /// It cannot be reached.
    #[error("the store {} can't be opened", .path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn of_io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::Absent(path),
            ErrorKind::PermissionDenied => Self::AccessDenied { path, source: error },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnlyFile(path),
            _ => Self::Unavailable { path, source: Box::new(error) },
        }
    }

    pub(super) fn of_driver(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match code_of(&error) {
            Some(code::BUSY | code::LOCKED) => Self::Locked(path),
            Some(code::READONLY) => Self::ReadOnlyFile(path),
            // SQLite also reports this code when descriptors have run out.
            Some(code::CANTOPEN) if is_read_only(path.parent()) => Self::ReadOnlyDirectory(path),
            Some(code::NOTADB) => Self::NotADatabase(path),
            Some(code::CORRUPT) => Self::Damaged { path, detail: error.to_string() },
            _ => Self::Unavailable { path, source: Box::new(error) },
        }
    }
}

/// Whether this process may not write to the directory.
fn is_read_only(directory: Option<&Path>) -> bool {
    directory.is_some_and(|directory| access(directory, Access::WRITE_OK).is_err())
}

/// Checks that the file is a store, whatever its schema.
pub(super) fn identify(path: &Path) -> Result<(), OpenError> {
    let metadata = fs::metadata(path).map_err(|error| OpenError::of_io(path, error))?;
    if metadata.is_dir() {
        return Err(OpenError::IsDirectory(path.to_owned()));
    }
    // Opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(OpenError::NotADatabase(path.to_owned()));
    }
    match header::kind_of(path).map_err(|error| OpenError::of_io(path, error))? {
        FileKind::Store => Ok(()),
        FileKind::OtherDatabase => Err(OpenError::NotAStore(path.to_owned())),
        FileKind::Unknown => Err(OpenError::NotADatabase(path.to_owned())),
    }
}

/// Checks that file and directory are writable. Reads the permission bits besides trying to write: they do not bind a
/// superuser, but show what the operator intended.
pub(super) fn require_writable(path: &Path) -> Result<(), OpenError> {
    let permissions = |of: &Path| fs::metadata(of).map(|metadata| metadata.permissions());
    let read_only = permissions(path).map_err(|error| OpenError::of_io(path, error))?.readonly();
    match OpenOptions::new().write(true).open(path) {
        Ok(_) if !read_only => {}
        Err(error) if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return Err(OpenError::of_io(path, error));
        }
        _ => return Err(OpenError::ReadOnlyFile(path.to_owned())),
    }
    match path.parent().map(permissions) {
        Some(Ok(directory)) if directory.readonly() => Err(OpenError::ReadOnlyDirectory(path.to_owned())),
        Some(Err(error)) => Err(OpenError::of_io(path, error)),
        _ => Ok(()),
    }
}

/// Whether users other than a file's owner and group have access to it.
pub fn is_open_to_all(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o007 != 0
}

/// Checks that only the file's owner and group have access to it: it holds password hashes.
fn require_private(path: &Path) -> Result<(), OpenError> {
    let metadata = fs::metadata(path).map_err(|error| OpenError::of_io(path, error))?;
    if is_open_to_all(&metadata) { Err(OpenError::OpenToAll { path: path.to_owned() }) } else { Ok(()) }
}

/// Checks that the schema is exactly the one that this program works with.
pub(super) fn verify(path: &Path) -> Result<(), OpenError> {
    let found = schema_version(path)?;
    if found < KNOWN_SCHEMA {
        return Err(OpenError::Older { path: path.to_owned(), found });
    }
    let of_driver = |error| OpenError::of_driver(path, error);
    let schema = looking(path).and_then(|connection| schema_of(&connection)).map_err(of_driver)?;
    if schema != expected_schema().map_err(of_driver)? {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            detail: format!("its tables are not those of schema {KNOWN_SCHEMA}"),
        });
    }
    Ok(())
}

/// The schema version of a store, unless it is newer than the program.
pub(super) fn schema_version(path: &Path) -> Result<u32, OpenError> {
    let found = looking(path).and_then(|connection| version_of(&connection));
    let found = found.map_err(|error| OpenError::of_driver(path, error))?;
    if found > KNOWN_SCHEMA {
        return Err(OpenError::Newer { path: path.to_owned(), found });
    }
    Ok(found)
}
