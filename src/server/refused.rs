//! The refused passwords, from the settings: a list or a filter, which is read again when it changes.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{BadSettings, FileSet, OperatorFile, Reloader};
use crate::blocklist::{Filter, FilterProblem, Stamp};
use crate::config::Policy;
use crate::policy::{RefusedList, RefusedPasswords};
use crate::ports::meter::FileKind;

const FILE: &str = "policy.refused_passwords_file";

/// The file of refused passwords.
pub struct RefusedFile {
    path: PathBuf,
    /// A damaged filter, which is not verified again: that takes seconds for a long one.
    damaged: Mutex<Option<Stamp>>,
}

/// The passwords in force.
struct InForce(watch::Receiver<Arc<dyn RefusedPasswords>>);

/// The refused passwords that the settings name, or `None` if they name none.
///
/// # Errors
/// The file can't be read, holds no password, or is a filter that is cut short or damaged.
pub fn refused_passwords(policy: &Policy) -> Result<Option<Reloader<RefusedFile>>, BadSettings> {
    let file = |path: &PathBuf| RefusedFile { path: path.clone(), damaged: Mutex::default() };
    policy.refused_passwords_file.as_ref().map(|path| Reloader::start(file(path))).transpose()
}

impl Reloader<RefusedFile> {
    /// The refused passwords in force, now and later.
    pub(super) fn list(&self) -> Arc<dyn RefusedPasswords> {
        Arc::new(InForce(self.in_force()))
    }
}

impl RefusedPasswords for InForce {
    fn contains(&self, password: &str) -> bool {
        // Cloned, so that a look-up does not delay a reload.
        let list = Arc::clone(&self.0.borrow());
        list.contains(password)
    }
}

impl FileSet for RefusedFile {
    /// A filter may be too long to compare what it holds.
    type Content = Stamp;
    type InForce = Arc<dyn RefusedPasswords>;

    const NAME: &'static str = "refused passwords";
    const KIND: FileKind = FileKind::RefusedPasswords;

    fn read(&self) -> Result<Stamp, BadSettings> {
        let metadata = fs::metadata(&self.path).map_err(|error| self.bad(FilterProblem::from(error)))?;
        Ok(Stamp::of(&metadata))
    }

    fn check(&self, stamp: &Stamp, _: Option<&Stamp>) -> Result<Self::InForce, BadSettings> {
        if self.damaged.lock().as_ref() == Some(stamp) {
            return Err(self.bad(FilterProblem::Damaged));
        }
        match Filter::open(&self.path) {
            Ok(filter) => return Ok(Arc::new(filter)),
            Err(FilterProblem::NotAFilter) => {}
            Err(problem) => {
                if matches!(problem, FilterProblem::Damaged) {
                    *self.damaged.lock() = Some(stamp.clone());
                }
                return Err(self.bad(problem));
            }
        }
        let text = OperatorFile::read(&self.path).map_err(|error| BadSettings::one(FILE, error))?.text;
        let list = RefusedList::from_lines(&text);
        // More likely a file that was cut short than a list.
        if list.is_empty() { Err(self.bad("holds no password")) } else { Ok(Arc::new(list)) }
    }
}

impl RefusedFile {
    fn bad(&self, problem: impl Display) -> BadSettings {
        BadSettings::one(FILE, format_args!("{} {problem}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn start(path: &Path) -> Result<Reloader<RefusedFile>, String> {
        let policy = Policy { refused_passwords_file: Some(path.to_owned()), refuse_subject_names: false };
        refused_passwords(&policy).map(Option::unwrap).map_err(|bad| bad.to_string())
    }

    #[test]
    fn the_first_refused_password_counts_in_a_list_from_any_editor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        fs::write(&path, "\u{feff}Password1\r\nPassword2\r\n").unwrap();
        let list = start(&path).unwrap().list();
        assert!(list.contains("Password1") && list.contains("Password2") && !list.contains("Password3"));

        // Some shells write UTF-16 by default: read as a list, it would refuse no password.
        fs::write(&path, b"\xff\xfeP\0a\0").unwrap();
        let error = start(&path).err().unwrap();
        assert!(error.starts_with(&format!("{FILE}: {} can't be read: ", path.display())), "{error}");
    }

    #[tokio::test]
    async fn a_bad_file_never_replaces_a_good_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        let replace = |content: &[u8]| {
            fs::write(directory.path().join("new"), content).unwrap();
            fs::rename(directory.path().join("new"), &path).unwrap();
        };
        replace(b"Password1\n");
        let mut reloader = start(&path).unwrap();
        let list = reloader.list();
        for (bad, problem) in [
            (&b"\x89credentiald\r\n"[..], "is cut short"),
            (b"", "holds no password"),
            (b"\xff\xfeP\0a\0", "can't be read"),
        ] {
            replace(bad);
            assert!(start(&path).err().unwrap().contains(problem), "{problem}");
            assert!(reloader.reload().await.err().unwrap().to_string().contains(problem), "{problem}");
            assert!(list.contains("Password1") && !list.contains("Password2"));
        }
        replace(b"Password2\n");
        assert!(reloader.reload().await.unwrap());
        assert!(list.contains("Password2") && !list.contains("Password1"));
    }
}
