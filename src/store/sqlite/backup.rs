//! Copies of a store, and stores of copies.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::check::check;
use super::connect::{alone, looking};
use super::errors::{code, code_of};
use super::lock_retries::apart;
use super::migrate::{remove, with_suffix};
use super::open::{OpenError, identify, require_writable};
use super::owner::{Owner, require_same_name};
use crate::ports::Pepper;
use crate::store::CheckReport;

/// Why there is no copy, or no store of one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The backup is damaged, or the copy that was made.
    #[error("{} is damaged: {}", .path.display(), .report.damages.join("; "))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        report: CheckReport,
    },
    /// The folder that the file is to be in does not exist.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// The store or the file can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// How many rows were read and understood.
    pub rows: u64,
    /// Where the store is that was replaced.
    pub replaced: Option<PathBuf>,
}

/// Copies the store of a file as it is at one moment, also while it is in use. The copy has its name once it was
/// checked; with a pepper, every wrapped hash is opened.
pub async fn backup(store: &Path, to: &Path, pepper: Option<&dyn Pepper>) -> Result<Copied, BackupError> {
    let (store, to) = (absolute(store)?, absolute(to)?);
    if fs::symlink_metadata(&to).is_ok() {
        return Err(BackupError::Exists(to));
    }
    let copy = Unnamed::beside(&to);
    let rows = copy.fill(&store, pepper).await?;
    copy.name(&to)?;
    Ok(Copied { rows, replaced: None })
}

/// Makes a store of a backup. Where there is a store, it is replaced only if that is wanted, and kept beside.
///
/// Whenever this is interrupted, there is the one store or the other.
pub async fn restore(
    backup: &Path,
    store: &Path,
    replace: bool,
    pepper: Option<&dyn Pepper>,
) -> Result<Copied, BackupError> {
    let (backup, store) = (absolute(backup)?, absolute(store)?);
    let is_there = fs::symlink_metadata(&store).is_ok();
    if is_there && !replace {
        return Err(BackupError::Exists(store));
    }
    // SQLite builds a copy's indexes anew: what is damaged in those of the backup would not be seen in it.
    sound(&backup, pepper).await?;
    let copy = Unnamed::beside(&store);
    let rows = copy.fill(&backup, pepper).await?;
    if !is_there {
        copy.name(&store)?;
        return Ok(Copied { rows, replaced: None });
    }
    let _owner = Owner::take(&store).await?;
    // Held until the new store has the name: who opens the old one meanwhile can't use it.
    let _held = hold(&store)?;
    let replaced = keep(&store)?;
    copy.replace(&store)?;
    Ok(Copied { rows, replaced: Some(replaced) })
}

/// A file that has no name yet that anybody would look for. Dropped without one, it is removed.
struct Unnamed(PathBuf);

impl Unnamed {
    fn beside(path: &Path) -> Self {
        let unnamed = with_suffix(path, &format!(".new-{}", std::process::id()));
        remove(&unnamed);
        Self(unnamed)
    }

    /// Copies a store or a backup into the file, and checks the copy. Answers how many rows it has.
    async fn fill(&self, from: &Path, pepper: Option<&dyn Pepper>) -> Result<u64, BackupError> {
        identify(from)?;
        require_same_name(from).await?;
        let of_io = |error| OpenError::of_io(&self.0, error);
        // SQLite fills a file that is there and empty, and leaves its mode.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0);
        made.map_err(|error| match (error.kind(), self.0.parent()) {
            (ErrorKind::NotFound, Some(folder)) => BackupError::NoFolder(folder.to_owned()),
            _ => of_io(error).into(),
        })?;
        let (source, target) = (from.to_owned(), self.0.clone());
        let copied = apart(move || copy(&source, &target)).await.and_then(|copied| copied);
        copied.map_err(|error| OpenError::of_driver(from, error))?;
        File::open(&self.0).and_then(|file| file.sync_all()).map_err(of_io)?;
        sound(&self.0, pepper).await
    }

    /// Gives the file its name, where no other has it.
    fn name(&self, path: &Path) -> Result<(), BackupError> {
        fs::hard_link(&self.0, path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
            _ => OpenError::of_io(path, error).into(),
        })?;
        sync_directory(path)
    }

    /// Gives the file the name of another, at one stroke.
    fn replace(&self, path: &Path) -> Result<(), BackupError> {
        fs::rename(&self.0, path).map_err(|error| OpenError::of_io(path, error))?;
        sync_directory(path)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Reads everything in a file. Answers how many rows it has, where nothing is damaged.
async fn sound(path: &Path, pepper: Option<&dyn Pepper>) -> Result<u64, BackupError> {
    let report = check(path, pepper).await?;
    if report.is_sound() { Ok(report.sound_rows) } else { Err(BackupError::Damaged { path: path.to_owned(), report }) }
}

fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    looking(from)?.execute("VACUUM INTO $1", [to.to_string_lossy()]).map(drop)
}

/// Keeps a store from everybody else, with all that was written to it in its file. Refuses where somebody has it open. One
/// that is so damaged that it can't be held can't be open either.
fn hold(store: &Path) -> Result<Option<Connection>, OpenError> {
    require_writable(store)?;
    let held = alone(store).and_then(|connection| {
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    });
    match held {
        Ok(connection) => Ok(Some(connection)),
        Err(error) if matches!(code_of(&error), Some(code::CORRUPT | code::NOTADB)) => Ok(None),
        Err(error) => Err(OpenError::of_driver(store, error)),
    }
}

/// Keeps a store under another name besides, and takes away what would be read together with the one that comes.
fn keep(store: &Path) -> Result<PathBuf, OpenError> {
    let of_io = |error| OpenError::of_io(store, error);
    let names = (1..).map(|number: u32| with_suffix(store, &format!(".replaced-{number}")));
    let is_free = |name: &PathBuf| fs::symlink_metadata(name).is_err();
    let kept = names.into_iter().find(is_free).ok_or_else(|| OpenError::Absent(store.to_owned()))?;
    fs::hard_link(store, &kept).map_err(of_io)?;
    for suffix in ["-wal", "-shm", "-journal"] {
        match fs::rename(with_suffix(store, suffix), with_suffix(&kept, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(of_io(error)),
            _ => {}
        }
    }
    Ok(kept)
}

fn sync_directory(path: &Path) -> Result<(), BackupError> {
    let directory = path.parent().unwrap_or(path);
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(synced.map_err(|error| OpenError::of_io(path, error))?)
}

fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|error| OpenError::of_io(path, error))
}
