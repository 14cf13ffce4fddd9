//! Files that operators write. All are read in the same way: UTF-8, with or without a byte order mark.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, fstatfs, fstatvfs};
use zeroize::Zeroizing;

use crate::domain::text::without_byte_order_mark;
use crate::store::sqlite::is_open_to_all;

/// The number of tmpfs (linux/magic.h).
const TMPFS: i64 = 0x0102_1994;

/// A file that was read. The text may be a secret, so it wipes itself.
pub struct OperatorFile {
    /// Its text, without the byte order mark.
    pub text: Zeroizing<String>,
    /// Whether every user of the machine has access to it, beyond what a secret volume of Kubernetes gives them.
    pub is_open_to_all: bool,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum OperatorFileError {
    /// It can't be read, or is not UTF-8.
    #[error("{} can't be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds a secret and every user of the machine has access to it.
    #[error("{0} is accessible to all users: run chmod o= {0}, or set defaultMode: 0440 if it is on a volume of Kubernetes", .path.display())]
    OpenToAll {
        /// The file.
        path: PathBuf,
    },
}

impl OperatorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, OperatorFileError> {
        let read = || {
            let mut file = File::open(path)?;
            // Of the open file, not of the path, which could name another file by now.
            let metadata = file.metadata()?;
            let is_open_to_all = is_open_to_all(&metadata) && !is_on_secret_volume(&file, &metadata, path)?;
            let mut text = Zeroizing::new(String::new());
            file.read_to_string(&mut text)?;
            Ok((text, is_open_to_all))
        };
        let (text, is_open_to_all) =
            read().map_err(|source| OperatorFileError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self { text: Zeroizing::new(without_byte_order_mark(&text).to_owned()), is_open_to_all })
    }

    /// Reads a file that holds a secret.
    ///
    /// # Errors
    /// As [`OperatorFile::read`], or every user of the machine has access to it.
    pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, OperatorFileError> {
        let file = Self::read(path)?;
        if file.is_open_to_all { Err(OperatorFileError::OpenToAll { path: path.to_owned() }) } else { Ok(file.text) }
    }
}

/// Whether a file, which all users can read and none can write, is on a secret volume of Kubernetes. That gives files mode
/// 0644, which no one can change there, and only the containers of one pod have it.
///
/// Such a volume is a read-only file system in memory, mounted on the folder that has the link `..data`, through which
/// Kubernetes replaces all files at once. Any of these signs alone is not enough: a unit of systemd sees all of `/run` as
/// read-only if it asks for that, and other users see its files.
fn is_on_secret_volume(file: &File, metadata: &Metadata, path: &Path) -> io::Result<bool> {
    let mut folders = path.ancestors().skip(1).map(|folder| folder.join("."));
    let Some(volume) = folders.find(|folder| folder.join("..data").is_symlink()) else { return Ok(false) };
    let (inside, outside) = (fs::metadata(&volume)?.dev(), fs::metadata(volume.join(".."))?.dev());
    let is_mounted_there = metadata.dev() == inside && inside != outside;
    let is_read_only = fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    Ok(metadata.mode() & 0o002 == 0 && is_mounted_there && is_read_only && fstatfs(file)?.f_type == TMPFS)
}
