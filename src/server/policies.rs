//! Permissions, from the settings: the built-in policies and an operator's files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reload::{FileSet, Reloader};
use super::{BadSettings, OperatorFile};
use crate::authz::{AuthzError, GROUPS_FILE, Policies, PolicyFile, PolicyTexts};
use crate::config;
use crate::domain::names::FreeName;
use crate::ports::meter::FileKind;

/// How many bytes the files may have together.
const MAX_BYTES: u64 = 1024 * 1024;

/// The files of permissions that a setting names. Those of a candidate are only compared with others.
pub struct Files<const IS_CANDIDATE: bool> {
    directory: Option<PathBuf>,
    built_in: bool,
}

/// The files of the policies that decide.
pub type PolicyFiles = Files<false>;

/// The files of the candidate policies.
pub type CandidateFiles = Files<true>;

/// The policies that the settings name.
///
/// # Errors
/// Every file that can't be read, or every mistake in what they hold.
pub fn policies(settings: &config::Policies) -> Result<Reloader<PolicyFiles>, BadSettings> {
    let directory = settings.directory.clone();
    Reloader::start(Files { directory, built_in: settings.built_in })
}

/// The candidate policies, if the settings name any.
///
/// # Errors
/// As for [`policies`].
pub fn candidate_policies(settings: &config::Policies) -> Result<Option<Reloader<CandidateFiles>>, BadSettings> {
    let directory = settings.candidate_directory.clone();
    if directory.is_none() {
        return Ok(None);
    }
    Reloader::start(Files { directory, built_in: settings.built_in }).map(Some)
}

impl<const IS_CANDIDATE: bool> FileSet for Files<IS_CANDIDATE> {
    type Content = PolicyTexts;
    type InForce = Arc<Policies>;

    const NAME: &'static str = if IS_CANDIDATE { "candidate policies" } else { "policies" };
    const KIND: FileKind = if IS_CANDIDATE { FileKind::CandidatePolicies } else { FileKind::Policies };

    fn read(&self) -> Result<PolicyTexts, BadSettings> {
        let files = self.directory.as_deref().map(Self::read_files).transpose()?;
        Ok(PolicyTexts { built_in: self.built_in, files: files.unwrap_or_default() })
    }

    fn check(&self, texts: &PolicyTexts, _: Option<&PolicyTexts>) -> Result<Arc<Policies>, BadSettings> {
        Policies::read(texts).map(Arc::new).map_err(|error| match error {
            AuthzError::Schema(_) => BadSettings::one(Self::SETTING, error),
            AuthzError::Policies(problems) => BadSettings::all(Self::SETTING, problems),
        })
    }

    fn warnings(policies: &Arc<Policies>) -> Vec<String> {
        policies.warnings().iter().map(ToString::to_string).collect()
    }
}

impl<const IS_CANDIDATE: bool> Files<IS_CANDIDATE> {
    /// The setting that names them.
    const SETTING: &'static str = if IS_CANDIDATE { "policies.candidate_directory" } else { "policies.directory" };

    /// The policies and the groups in a directory, in the order of the names of their files, or those in one file.
    fn read_files(path: &Path) -> Result<Vec<PolicyFile>, BadSettings> {
        let whole = path.display();
        let one = |message: String| BadSettings::one(Self::SETTING, message);
        let (files, bytes) = listed(path).map_err(|error| one(format!("{whole} can't be read: {error}")))?;
        if !files.iter().any(|file| is_of_policies(file)) {
            // An empty directory is more often a volume that was not mounted than a wish.
            return Err(one(format!("{whole} holds no file *.cedar")));
        }
        if bytes > MAX_BYTES {
            return Err(one(format!("{whole} holds {bytes} bytes of policies, and at most {MAX_BYTES} are allowed")));
        }
        let (mut read, mut problems) = (Vec::new(), Vec::new());
        for file in files {
            match policy_file(&file) {
                Ok(file) => read.push(file),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(read) } else { Err(BadSettings::all(Self::SETTING, problems)) }
    }
}

/// The files, and how many bytes they have together.
fn listed(path: &Path) -> io::Result<(Vec<PathBuf>, u64)> {
    // Kubernetes replaces `..data`, a link to the directory with the files. It is followed once, so that all files are
    // of the same version.
    let mounted = path.join("..data");
    let path = fs::canonicalize(if mounted.exists() { &mounted } else { path })?;
    let mut files = if path.is_dir() {
        fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?
    } else {
        vec![path]
    };
    let is_hidden = |file: &Path| file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_of_groups = |file: &Path| file.file_name().is_some_and(|name| name == GROUPS_FILE);
    files.retain(|file| (is_of_policies(file) || is_of_groups(file)) && !is_hidden(file));
    files.sort();
    let bytes = files.iter().map(|file| fs::metadata(file).map(|file| file.len())).sum::<io::Result<_>>()?;
    Ok((files, bytes))
}

fn is_of_policies(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "cedar")
}

fn policy_file(path: &Path) -> Result<PolicyFile, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // It becomes a part of ids, which are in logs.
    FreeName::parse(&name).map_err(|problem| format!("{name:?}: the name of the file {problem}"))?;
    let text = OperatorFile::read(path).map_err(|error| error.to_string())?.text;
    Ok(PolicyFile { name: name.into_owned(), text: text.to_string() })
}
