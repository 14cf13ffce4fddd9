//! A file that a command writes.

use std::io::{self, BufWriter, ErrorKind, Write};
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
            Err(_) => NamedTempFile::new_in(path.parent().filter(|parent| *parent != "").unwrap_or(Path::new("."))),
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
