//! Files that commands write.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::failure::Failure;

/// A file that gets its name once it is complete and on the disk: a part might be taken for the whole. Until then it has
/// another name beside it; dropping this removes it.
pub(super) struct NewFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file that does not exist yet, readable by its owner alone.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let created = match path.symlink_metadata() {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => NamedTempFile::new_in(folder_of(path)),
        };
        let file = created.map_err(|error| Failure::caused(format!("can't create {}", path.display()), &error))?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned() })
    }

    /// Gives the complete file its name.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self { file, path } = self;
        let named = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(&path).map_err(|failed| failed.error)
        };
        named().map(drop).map_err(|error| Failure::caused(format!("can't write {}", path.display()), &error))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file at once, readable by its owner alone, in place of an earlier one. Its content and its name are on the disk when
/// this returns.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder_of(path))?;
    file.write_all(content)?;
    keep(file, path)
}

/// Gives a complete file its name, in place of an earlier one.
pub(super) fn keep(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    sync_name(path)
}

/// Makes the name of a new file last, as its content does.
pub(super) fn sync_name(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Creates a folder that only its owner can read, and those above it, if they are missing.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Locks a file, and creates it if it is missing. While it is locked, this fails in other processes, with the message `used`.
pub(super) fn lock(path: &Path, used: &str) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| Failure::caused(format!("can't open {}", path.display()), &error))?;
    file.try_lock().map_err(|_| Failure::not_now(used))?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != "").unwrap_or(Path::new("."))
}
