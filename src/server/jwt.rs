//! The files of the issuers of JWTs, from the settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reload::{FileSet, Reloader};
use super::{BadSettings, OperatorFile};
use crate::config;
use crate::jwt::{JwtIssuers, JwtReader, JwtTexts};
use crate::ports::meter::FileKind;

const ISSUERS_FILE: &str = "jwt.issuers_file";

/// The file of issuers, and the files that it names.
pub struct JwtFiles {
    issuers: PathBuf,
    reader: JwtReader,
}

/// The issuers that the settings name, or `None` if they name none.
///
/// # Errors
/// Every file that can't be read, or every mistake in what they hold.
pub fn jwt_issuers(settings: &config::Jwt) -> Result<Option<Reloader<JwtFiles>>, BadSettings> {
    let Some(issuers) = settings.issuers_file.clone() else { return Ok(None) };
    let directory = issuers.parent().unwrap_or(Path::new(""));
    let reader = JwtReader::new(directory, |path| Ok(OperatorFile::read_secret(path)?));
    Reloader::start(JwtFiles { issuers, reader }).map(Some)
}

impl FileSet for JwtFiles {
    type Content = JwtTexts;
    type InForce = Arc<JwtIssuers>;

    const NAME: &'static str = "issuers of JWTs";
    const KIND: FileKind = FileKind::Jwt;

    fn read(&self) -> Result<JwtTexts, BadSettings> {
        let text = |path: &Path| OperatorFile::read(path).map(|file| file.text.to_string());
        let issuers = text(&self.issuers).map_err(|error| BadSettings::one(ISSUERS_FILE, error))?;
        let (mut files, mut problems) = (BTreeMap::new(), Vec::new());
        let named = self.reader.files_of(&issuers);
        for path in named.texts {
            match text(&path) {
                Ok(text) => drop(files.insert(path, text)),
                Err(error) => problems.push(error),
            }
        }
        problems.extend(named.secrets.iter().filter_map(|path| OperatorFile::read_secret(path).err()));
        if problems.is_empty() {
            Ok(JwtTexts { issuers, files })
        } else {
            Err(BadSettings::all(ISSUERS_FILE, problems))
        }
    }

    fn check(&self, texts: &JwtTexts, _: Option<&JwtTexts>) -> Result<Arc<JwtIssuers>, BadSettings> {
        self.reader.read(texts).map_err(|mistakes| BadSettings::all(ISSUERS_FILE, mistakes))
    }
}
