//! Exclusive ownership of a store, and which other processes may use it beside its owner.
//!
//! The lock is on the file itself (`flock`), so it holds under every name of the file. SQLite's own locks do too, but
//! its log does not: SQLite finds the log by name, so two processes that open one file under two names each have their
//! own log, and damage the file (<https://www.sqlite.org/howtocorrupt.html>, "Multiple links to the same file").
//!
//! A note beside the file names the owner, which locks it too. If the note is locked, the owner uses the same name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::ready;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use backon::Retryable;
use rusqlite::Connection;

use super::files::{identity, identity_of};
use super::migrate::with_suffix;
use super::open::OpenError;
use crate::ports::retries;

/// Owns a store exclusively until dropped.
///
/// Closing a file releases this process's locks on it (POSIX): SQLite's connections to it have to be closed before.
pub(super) struct Owner {
    file: File,
    note: PathBuf,
    /// After the release, a note there belongs to another owner.
    is_released: AtomicBool,
    /// Keeps the note locked.
    locked: File,
}

impl Owner {
    /// Takes ownership of a store, unless another process has it.
    pub(super) async fn take(path: &Path) -> Result<Self, OpenError> {
        let of_io = |error| OpenError::of_io(path, error);
        let file = File::open(path).map_err(of_io)?;
        until_free(path, &file, || is_free(file.try_lock())).await?;
        let note = with_suffix(path, "-owner");
        let locked = write_note(&note).map_err(of_io)?;
        Ok(Self { file, note, is_released: AtomicBool::new(false), locked })
    }

    /// Releases the store. The file stays open, because other connections to it may still be in use.
    pub(super) fn release(&self) {
        if !self.is_released.swap(true, Ordering::Relaxed) {
            // If this fails, the lock ends with the process, and the next owner replaces the note.
            if self.has_note() {
                let _ = fs::remove_file(&self.note);
            }
            let _ = self.file.unlock();
        }
    }

    /// Whether the note is this owner's. If the store was replaced meanwhile, another owner's note may have that name.
    fn has_note(&self) -> bool {
        let ours = self.locked.metadata().map(|metadata| identity(&metadata));
        ours.is_ok_and(|ours| identity_of(&self.note).is_ok_and(|found| found == ours))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.release();
    }
}

/// Fails if a store has an owner that uses it under another name.
pub(super) async fn require_same_name(path: &Path) -> Result<(), OpenError> {
    let file = File::open(path).map_err(|error| OpenError::of_io(path, error))?;
    // The owner may be about to write its note, or to exit.
    until_free(path, &file, || Ok(is_free(file.try_lock_shared())? || is_noted(path)?)).await
}

/// Waits a moment for a store to be free.
async fn until_free(path: &Path, file: &File, mut is_free: impl FnMut() -> io::Result<bool>) -> Result<(), OpenError> {
    let attempt = || {
        ready(match is_free() {
            Ok(true) => Ok(()),
            Ok(false) => Err(OpenError::Owned { path: path.to_owned(), owner: describe(path, file) }),
            Err(error) => Err(OpenError::of_io(path, error)),
        })
    };
    let is_owned = |error: &OpenError| matches!(error, OpenError::Owned { .. });
    attempt.retry(retries::OWNER).sleep(tokio::time::sleep).when(is_owned).await
}

fn is_free(locked: Result<(), TryLockError>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes which process this is, for the next one that wants the store.
fn write_note(path: &Path) -> io::Result<File> {
    // A killed owner leaves its note behind.
    let _ = fs::remove_file(path);
    let mut note = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    note.try_lock()?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // On a full disk only the text of the note is lost.
    let _ = write!(note, "pid {} on {}", std::process::id(), host.trim());
    Ok(note)
}

/// Whether there is a note beside that name whose owner is alive.
fn is_noted(path: &Path) -> io::Result<bool> {
    match File::open(with_suffix(path, "-owner")) {
        Ok(note) => Ok(!is_free(note.try_lock_shared())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Describes the process that has the file, as far as it is known.
fn describe(path: &Path, file: &File) -> String {
    let note = with_suffix(path, "-owner");
    if is_noted(path).unwrap_or(false)
        && let Ok(who) = fs::read_to_string(&note)
        && !who.is_empty()
    {
        return match since(&note) {
            Some(since) => format!("{who}, since {since}"),
            None => who,
        };
    }
    match holder(file) {
        Some(pid) => format!("pid {pid}, which uses the file under another name"),
        None => "it uses the file under another name".to_owned(),
    }
}

/// When the note was written.
fn since(note: &Path) -> Option<String> {
    let written = fs::metadata(note).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let formatted = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', $1, 'unixepoch')";
    Connection::open_in_memory().ok()?.query_row(formatted, [i64::try_from(written).ok()?], |row| row.get(0)).ok()
}

/// How often to look for a lock in the list of all.
const LOOKS: u32 = 5;

/// The process that holds the lock on the file, if the kernel shows it (`proc_locks`): not across containers.
fn holder(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    let device = metadata.dev();
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & 0xffff_f000);
    let minor = (device & 0xff) | ((device >> 12) & 0xffff_ff00);
    let wanted = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
    let holder_in = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK");
        let (pid, place) = (words.nth(3)?, words.next()?);
        if place == wanted { pid.parse().ok() } else { None }
    };
    // A long list is read in pieces, and a lock is missed if others before it are released in between.
    (0..LOOKS).find_map(|_| fs::read_to_string("/proc/locks").ok()?.lines().find_map(holder_in))
}
