//! Files that operators write. All are read in the same way: UTF-8, with or without a byte order mark.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::domain::text::without_byte_order_mark;
use crate::store::sqlite::is_open_to_all;

/// A file that was read. The text may be a secret, so it wipes itself.
pub struct OperatorFile {
    /// Its text, without the byte order mark.
    pub text: Zeroizing<String>,
    /// Whether every user of the machine has access to it.
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
    #[error("{0} is accessible to all users: run chmod o= {0}", .path.display())]
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
            let is_open_to_all = is_open_to_all(&file.metadata()?);
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
