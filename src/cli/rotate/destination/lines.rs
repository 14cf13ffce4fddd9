//! JSON lines: in a file, or on standard output.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{NewPassword, Run};
use crate::cli::failure::Failure;
use crate::cli::new_file::sync_name;
use crate::cli::rotate::subject::Subject;
use crate::cli::terminal::Terminal;
use crate::domain::password::Password;

/// Not in force yet.
const PENDING: &str = "pending";
/// In force.
const SET: &str = "set";
/// Access for others than the owner.
const OPEN_TO_OTHERS: u32 = 0o077;

/// A line as it is written.
#[derive(Serialize)]
struct Line<'a> {
    run: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(flatten)]
    name: &'a Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    password: &'a str,
}

/// What is read back of a line.
#[derive(Deserialize)]
struct ReadLine {
    run: String,
    #[serde(flatten)]
    name: Subject,
    password: String,
}

/// A file with a line for each password that is prepared, and for each that is set.
pub(in crate::cli::rotate) struct LinesFile {
    file: File,
    path: PathBuf,
    run: OwnRun,
    /// The last password of this run for each subject, from before it was opened.
    stored: HashMap<Subject, Password>,
}

/// Lines on standard output.
pub(in crate::cli::rotate) struct PrintedLines {
    run: OwnRun,
}

struct OwnRun {
    id: String,
    tenant: Option<String>,
}

impl OwnRun {
    fn of(run: Run<'_>) -> Self {
        Self { id: run.id.to_owned(), tenant: run.tenant.map(str::to_owned) }
    }

    fn lines<'a>(
        &self,
        state: &'static str,
        passwords: impl Iterator<Item = (&'a NewPassword<'a>, Option<u64>)>,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut text = Zeroizing::new(Vec::new());
        for (new, version) in passwords {
            let (run, tenant) = (self.id.as_str(), self.tenant.as_deref());
            let line = Line { run, state, tenant, name: new.name, version, password: new.password.expose() };
            serde_json::to_writer(&mut *text, &line).map_err(Failure::failed)?;
            text.push(b'\n');
        }
        Ok(text)
    }

    fn pending<'a>(&self, passwords: &'a [NewPassword<'a>]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.lines(PENDING, passwords.iter().map(|new| (new, None)))
    }

    fn set<'a>(&self, passwords: &'a [(NewPassword<'a>, u64)]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.lines(SET, passwords.iter().map(|(new, version)| (new, Some(*version))))
    }
}

impl LinesFile {
    /// Opens the file, and makes it if there is none yet. A run that continues reads its own lines.
    pub(super) fn open(path: &Path, run: Run<'_>, continues: bool) -> Result<Self, Failure> {
        let failed = |error: &io::Error| Failure::caused(format!("can't use {}", path.display()), error);
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| failed(&error))?;
        let mode = file.metadata().map_err(|error| failed(&error))?.mode();
        if mode & OPEN_TO_OTHERS != 0 {
            let path = path.display();
            return Err(Failure::failed(format!("{path} is accessible to others: run chmod 600 {path}")));
        }
        file.try_lock().map_err(|_| Failure::not_now(format!("{} is used by another run", path.display())))?;
        let mut opened = Self { file, path: path.to_owned(), run: OwnRun::of(run), stored: HashMap::new() };
        opened.read(continues)?;
        sync_name(path).map_err(|error| failed(&error))?;
        Ok(opened)
    }

    /// Reads the lines of this run. A crash may have left a part of the last one, for which no change was sent: it is removed.
    fn read(&mut self, continues: bool) -> Result<(), Failure> {
        let mut reader = BufReader::new(&self.file);
        let (mut whole, mut rest) = (0, Zeroizing::new(Vec::new()));
        let mut stored = HashMap::new();
        loop {
            rest.clear();
            let read = reader.read_until(b'\n', &mut rest).map_err(|error| self.failed(&error))?;
            if read == 0 || !rest.ends_with(b"\n") {
                break;
            }
            whole += read as u64;
            let Ok(line) = serde_json::from_slice::<ReadLine>(&rest) else { continue };
            if line.run != self.run.id {
                continue;
            }
            if let Ok(password) = Password::parse(line.password) {
                stored.insert(line.name, password);
            }
        }
        if rest.is_empty() {
            self.stored = stored;
            return Ok(());
        }
        let of_this_run = format!("{{\"run\":\"{}\"", self.run.id).into_bytes();
        if !continues || !(rest.starts_with(&of_this_run) || of_this_run.starts_with(&rest)) {
            return Err(Failure::failed(format!("{}: the last line has no end", self.path.display())));
        }
        self.stored = stored;
        self.file.set_len(whole).map_err(|error| self.failed(&error))
    }

    pub(super) fn stored(&mut self, name: &Subject) -> Option<Password> {
        self.stored.remove(name)
    }

    pub(super) fn prepare(&mut self, passwords: &[NewPassword<'_>]) -> Result<(), Failure> {
        let text = self.run.pending(passwords)?;
        self.append(&text)
    }

    pub(super) fn confirm(&mut self, passwords: &[(NewPassword<'_>, u64)]) -> Result<(), Failure> {
        let text = self.run.set(passwords)?;
        self.append(&text)
    }

    fn append(&mut self, text: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(text).and_then(|()| self.file.sync_data());
        written.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::caused(format!("can't use {}", self.path.display()), error)
    }
}

impl PrintedLines {
    pub(super) fn new(run: Run<'_>) -> Self {
        Self { run: OwnRun::of(run) }
    }

    pub(super) fn prepare(&self, passwords: &[NewPassword<'_>], terminal: &mut Terminal) -> Result<(), Failure> {
        print(&self.run.pending(passwords)?, terminal)
    }

    pub(super) fn confirm(&self, passwords: &[(NewPassword<'_>, u64)], terminal: &mut Terminal) -> Result<(), Failure> {
        print(&self.run.set(passwords)?, terminal)
    }
}

/// A reader that has gone ends the run: the passwords would be lost.
fn print(text: &[u8], terminal: &mut Terminal) -> Result<(), Failure> {
    let output = terminal.output();
    let written = output.write_all(text).and_then(|()| output.flush());
    written.map_err(|error| Failure::caused("can't write to standard output", &error))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cli::rotate::opened_again;
    use crate::cli::rotate::subject::Kind;

    const RUN: Run<'_> = Run { id: "run-1", tenant: Some("acme") };

    fn name(name: &str) -> Subject {
        Subject { kind: Kind::RamUser, instance: None, name: name.to_owned() }
    }

    #[test]
    fn passwords_of_the_same_run_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        let [first, second] = ["one-\"password\"", "two"].map(|text| Password::parse(text.to_owned()).unwrap());
        let (alice, bob) = (name("alice"), name("bob"));
        let new = |name, password| NewPassword { name, password };
        let mut file = LinesFile::open(&path, RUN, false).unwrap();
        file.prepare(&[new(&alice, &first), new(&bob, &second)]).unwrap();
        file.confirm(&[(new(&bob, &second), 2)]).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        assert_eq!(whole.lines().count(), 3);
        let set: serde_json::Value = serde_json::from_str(whole.lines().last().unwrap()).unwrap();
        let expected = serde_json::json!({ "run": "run-1", "state": "set", "tenant": "acme", "kind": "ram-user",
            "name": "bob", "version": 2, "password": "two" });
        assert_eq!(set, expected);

        assert!(LinesFile::open(&path, RUN, true).is_err(), "while it is open, it is not opened again");
        drop(file);
        fs::write(&path, format!("{whole}{{\"run\":\"run-1\",\"sta")).unwrap();
        assert!(
            LinesFile::open(&path, Run { id: "run-2", ..RUN }, true).is_err(),
            "it may be the line of another program"
        );
        let mut of_same_run = opened_again(|| LinesFile::open(&path, RUN, true));
        for (name, password) in [(&alice, "one-\"password\""), (&bob, "two")] {
            assert_eq!(of_same_run.stored(name).unwrap().expose(), password);
        }
        drop(of_same_run);
        let mut of_another = opened_again(|| LinesFile::open(&path, Run { id: "run-2", ..RUN }, true));
        assert!(of_another.stored(&bob).is_none());
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn a_file_that_others_can_read_gets_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        LinesFile::open(&path, RUN, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(LinesFile::open(&path, RUN, false).is_err());
    }
}
