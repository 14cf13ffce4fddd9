//! Detects whether the files of a store are still those that were opened.
//!
//! SQLite keeps using files that were removed, or replaced under their names; what it commits to them is lost when the
//! process ends. So this compares their identity before a transaction begins and after each commit. After a read, it
//! compares that of the database alone, unless the connection is new: any other has its log open.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::migrate::with_suffix;
use crate::ports::StoreError;

/// The files of an open store. Clones share their state.
#[derive(Clone)]
pub(super) struct Files(Arc<Opened>);

struct Opened {
    files: [(PathBuf, Identity); 3],
    /// The first file found to be another. From then on nothing is read or written, because it is unknown what has
    /// happened since.
    lost: OnceLock<Lost>,
}

/// Device and inode.
type Identity = (u64, u64);

/// Why an open store cannot be used any more.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} was removed or replaced while the store was open: restart the service", .0.display())]
pub(super) struct Lost(PathBuf);

impl Files {
    /// The files that have these names now, in this order: the database, its write-ahead log and the log's index. All exist while the
    /// store is open.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let known = |path: PathBuf| identity_of(&path).map(|identity| (path, identity));
        let files = [known(path.to_owned())?, known(with_suffix(path, "-wal"))?, known(with_suffix(path, "-shm"))?];
        Ok(Self(Arc::new(Opened { files, lost: OnceLock::new() })))
    }

    /// Checks that the files are still the same. Logs it once if they are not.
    pub(super) fn check(&self) -> Result<(), Lost> {
        self.check_first(self.0.files.len())
    }

    /// Checks that the database is still the same, and that no earlier check failed.
    pub(super) fn check_database(&self) -> Result<(), Lost> {
        self.check_first(1)
    }

    fn check_first(&self, count: usize) -> Result<(), Lost> {
        if let Some(lost) = self.0.lost.get() {
            return Err(lost.clone());
        }
        let mut checked = self.0.files.iter().take(count);
        let Some((path, _)) = checked.find(|(path, identity)| !is_still(path, *identity)) else {
            return Ok(());
        };
        let lost = Lost(path.clone());
        if self.0.lost.set(lost.clone()).is_ok() {
            tracing::error!(error = %lost, "the service refuses calls that need the store");
        }
        Err(lost)
    }
}

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        Self::Unavailable(Box::new(lost))
    }
}

pub(super) fn identity_of(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| identity(&metadata))
}

pub(super) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Whether a name still leads to the opened file. If that cannot be determined, assumes that it does.
fn is_still(path: &Path, identity: Identity) -> bool {
    match identity_of(path) {
        Ok(found) => found == identity,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}
