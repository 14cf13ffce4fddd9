//! Backs up a store, and restores a store from a backup.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::check::check;
use super::connect::{alone, looking};
use super::errors::{code, code_of};
use super::lock_retries::apart;
use super::migrate::{give_name, give_to_owner_of, refuse_left_log, remove, with_suffix};
use super::open::{OpenError, identify, require_writable};
use super::owner::{Owner, require_same_name};
use crate::ports::Pepper;
use crate::store::CheckReport;

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file of that name exists.
    #[error("{} already exists", .0.display())]
    Exists(PathBuf),
    /// The backup, or the copy that was made, is damaged.
    #[error("{} is damaged: {}", .path.display(), .report.summary())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage found.
        report: CheckReport,
    },
    /// The file system has no way to name a file without replacing another.
    #[error("{} can't get its name: its file system has no hard links, nor renames that replace nothing", .path.display())]
    NoName {
        /// The name.
        path: PathBuf,
        /// Why that failed.
        source: std::io::Error,
    },
    /// The folder for the file does not exist.
    #[error("the directory {} does not exist", .0.display())]
    NoFolder(PathBuf),
    /// The store or the file cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Result of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Number of rows that were read and parsed.
    pub rows: u64,
    /// Where the replaced store is kept.
    pub replaced: Option<PathBuf>,
}

/// Copies a store as it is at one moment, even while it is in use. The copy gets its name after it is checked; with a
/// pepper, the check opens every wrapped hash.
pub async fn backup(store: &Path, to: &Path, pepper: Option<&dyn Pepper>) -> Result<Copied, BackupError> {
    let (store, to) = (absolute(store)?, absolute(to)?);
    if fs::symlink_metadata(&to).is_ok() {
        return Err(BackupError::Exists(to));
    }
    refuse_left_log(&to)?;
    let copy = Unnamed::beside(&to);
    let rows = copy.fill(&store, None, pepper).await?;
    copy.name(&to)?;
    Ok(Copied { rows, replaced: None })
}

/// Copies a store like [`backup`], to a file beside it that has lost its name. Returns it with its number of rows.
pub async fn backup_unnamed(store: &Path, pepper: Option<&dyn Pepper>) -> Result<(File, u64), BackupError> {
    let store = absolute(store)?;
    let copy = Unnamed::beside(&store);
    let rows = copy.fill(&store, None, pepper).await?;
    let file = File::open(&copy.0).map_err(|error| OpenError::of_io(&copy.0, error))?;
    Ok((file, rows))
}

/// Makes a store from a backup. Replaces an existing store only if `replace` is set, and keeps it under another name.
/// A store that root makes gets the owner of the one that it replaces, or of its directory.
///
/// An interruption at any point leaves either the old store or the new one.
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
    refuse_left_log(&store)?;
    // SQLite rebuilds the indexes of a copy, so a check of the copy would miss damage in the backup's indexes.
    sound(&backup, pepper).await?;
    let copy = Unnamed::beside(&store);
    let owned = if is_there { &store } else { store.parent().unwrap_or(&store) };
    let rows = copy.fill(&backup, Some(owned), pepper).await?;
    if !is_there {
        copy.name(&store)?;
        return Ok(Copied { rows, replaced: None });
    }
    let _owner = Owner::take(&store).await?;
    // Held until the new store has the name, so that a process that opens the old one meanwhile cannot use it.
    let _held = hold(&store)?;
    let replaced = keep(&store)?;
    copy.replace(&store)?;
    Ok(Copied { rows, replaced: Some(replaced) })
}

/// A file under a temporary name, until it gets its final one. Dropping this removes the temporary name.
struct Unnamed(PathBuf);

impl Unnamed {
    fn beside(path: &Path) -> Self {
        let unnamed = with_suffix(path, &format!(".new-{}", std::process::id()));
        remove(&unnamed);
        Self(unnamed)
    }

    /// Copies a store or a backup into the file, and checks the copy. Made by root, the file gets the owner of `owned`. Returns
    /// its number of rows.
    async fn fill(&self, from: &Path, owned: Option<&Path>, pepper: Option<&dyn Pepper>) -> Result<u64, BackupError> {
        identify(from)?;
        require_same_name(from).await?;
        let of_io = |error| OpenError::of_io(&self.0, error);
        // SQLite fills an existing empty file, and keeps its mode and its owner.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0);
        let made = made.map_err(|error| match (error.kind(), self.0.parent()) {
            (ErrorKind::NotFound, Some(folder)) => BackupError::NoFolder(folder.to_owned()),
            _ => of_io(error).into(),
        })?;
        if let Some(owned) = owned {
            give_to_owner_of(&made, owned).map_err(of_io)?;
        }
        // Closing a file ends the locks on it that SQLite takes.
        drop(made);
        self.remove_left_behind();
        let (source, target) = (from.to_owned(), self.0.clone());
        let copied = apart(move || copy(&source, &target)).await.and_then(|copied| copied);
        copied.map_err(|error| OpenError::of_driver(from, error))?;
        File::open(&self.0).and_then(|file| file.sync_all()).map_err(of_io)?;
        sound(&self.0, pepper).await
    }

    /// Removes such files of processes that were killed: those for a name that differs in its numbers at most, written a day
    /// before this one.
    fn remove_left_behind(&self) {
        let written = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let Some((now, folder)) = written(&self.0).zip(self.0.parent()) else { return };
        let is_old = |then: SystemTime| now.duration_since(then).is_ok_and(|age| age >= LEFT_BEHIND_AFTER);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if without_numbers(&path) == without_numbers(&self.0) && written(&path).is_some_and(is_old) {
                remove(&path);
            }
        }
    }

    /// Gives the file its final name, unless another file has it.
    fn name(&self, path: &Path) -> Result<(), BackupError> {
        give_name(&self.0, path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
            _ => BackupError::NoName { path: path.to_owned(), source: error },
        })?;
        sync_directory(path)
    }

    /// Atomically replaces another file.
    fn replace(&self, path: &Path) -> Result<(), BackupError> {
        fs::rename(&self.0, path).map_err(|error| OpenError::of_io(path, error))?;
        sync_directory(path)
    }
}

/// How long an unnamed file is left alone that a process may still be filling.
const LEFT_BEHIND_AFTER: Duration = Duration::from_hours(24);

/// The name of a file, with each number as one zero.
fn without_numbers(path: &Path) -> String {
    let mut name =
        path.file_name().unwrap_or_default().to_string_lossy().replace(|digit: char| digit.is_ascii_digit(), "0");
    while name.contains("00") {
        name = name.replace("00", "0");
    }
    name
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Reads everything in a file. Returns its number of rows if nothing is damaged.
async fn sound(path: &Path, pepper: Option<&dyn Pepper>) -> Result<u64, BackupError> {
    let report = check(path, pepper).await?;
    if report.is_sound() { Ok(report.sound_rows) } else { Err(BackupError::Damaged { path: path.to_owned(), report }) }
}

fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    looking(from)?.execute("VACUUM INTO $1", [to.to_string_lossy()]).map(drop)
}

/// Locks a store exclusively, with everything written to it moved into its file. Fails if another process has it open.
/// `None` if the store is too damaged to lock; then no process can have it open either.
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

/// Keeps a store under a second name, and moves away the files that SQLite would otherwise read with the new one.
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
