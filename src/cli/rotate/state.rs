//! The state of a rotation: a file that a later run continues from. It holds no password.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::selection::Selection;
use super::subject::{Selected, Subject};
use crate::cli::failure::Failure;
use crate::cli::new_file::sync_name;

/// How every file begins.
const BEGINNING: &[u8] = b"{\"run\":";

/// What a run was asked for. Another run that continues it has to be asked for the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) selection: Selection,
    pub(super) destination: String,
    pub(super) overlap_seconds: Option<u32>,
}

/// What happened to a subject last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Its new password is at the destination, and the change may have been sent.
    Prepared,
    /// The password was changed, to this version. The destination may not have it as set yet.
    Changed(u64),
    /// The password was changed, to this version, and the destination has it as set.
    Rotated(u64),
    /// It is left as it is, for this reason.
    Left(String),
    /// It was changed, perhaps by this run, and the destination has no password of it as set, for this reason.
    Unconfirmed(String),
    /// The change failed, for this reason. It is tried again.
    Failed(String),
    /// The service does not take the password that is at the destination, for this reason. Another one is tried.
    Refused(String),
}

impl Step {
    /// Whether nothing more is done about the subject.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Rotated(_) | Self::Left(_) | Self::Unconfirmed(_))
    }

    /// Why the subject has no new password, if it has none.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Left(reason) | Self::Unconfirmed(reason) | Self::Failed(reason) | Self::Refused(reason) => {
                Some(reason)
            }
            Self::Prepared | Self::Changed(_) | Self::Rotated(_) => None,
        }
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A run begins. Its id is the client token of all its changes.
    Run { id: String, wanted: Wanted },
    /// A subject of the run.
    Selected(Selected),
    /// All subjects are selected.
    Listed { subjects: usize },
    /// What happened to the subject of that place in the list.
    Step { subject: usize, step: Step },
}

/// The state, and its file, which no other process uses meanwhile.
pub(super) struct State {
    file: File,
    path: PathBuf,
    run: Option<(String, Wanted)>,
    subjects: Vec<Selected>,
    is_listed: bool,
    /// What happened last to the subject of each place.
    steps: BTreeMap<usize, Step>,
    /// The places of the subjects that were ever prepared, also if other steps followed.
    prepared: BTreeSet<usize>,
}

impl State {
    /// Opens the file, and makes it if there is none yet.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| Failure::caused(format!("can't open {}", path.display()), &error))?;
        file.try_lock().map_err(|_| Failure::not_now(format!("{} is used by another run", path.display())))?;
        let mut state = Self {
            file,
            path: path.to_owned(),
            run: None,
            subjects: Vec::new(),
            is_listed: false,
            steps: BTreeMap::new(),
            prepared: BTreeSet::new(),
        };
        state.read()?;
        Ok(state)
    }

    /// Reads every line. A crash may have left a part of the last one, which is removed.
    fn read(&mut self) -> Result<(), Failure> {
        let mut lines = Vec::new();
        let mut whole = 0;
        {
            let mut reader = BufReader::new(&self.file);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).map_err(|error| self.unwritten(&error))? > 0 {
                if !line.ends_with(b"\n") {
                    // Only a file of ours loses anything.
                    if lines.is_empty() && !line.starts_with(BEGINNING) && !BEGINNING.starts_with(&line) {
                        return Err(self.foreign());
                    }
                    break;
                }
                whole += line.len() as u64;
                let read = serde_json::from_slice(&line);
                lines.push(read.map_err(|_| self.foreign())?);
                line.clear();
            }
        }
        self.file.set_len(whole).map_err(|error| self.unwritten(&error))?;
        for line in lines {
            self.take(line);
        }
        Ok(())
    }

    fn foreign(&self) -> Failure {
        Failure::usage(format!("{} is not the state of a rotation", self.path.display()))
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Run { id, wanted } => {
                self.run = Some((id, wanted));
                self.subjects.clear();
                self.steps.clear();
                self.prepared.clear();
                self.is_listed = false;
            }
            Line::Selected(selected) => self.subjects.push(selected),
            Line::Listed { .. } => self.is_listed = true,
            Line::Step { subject, step } => {
                if step == Step::Prepared {
                    self.prepared.insert(subject);
                }
                self.steps.insert(subject, step);
            }
        }
    }

    /// The run that is recorded as a whole: its id, and what it was asked for.
    pub(super) fn run(&self) -> Option<(&str, &Wanted)> {
        let (id, wanted) = self.run.as_ref().filter(|_| self.is_listed)?;
        Some((id, wanted))
    }

    /// Begins a run, in place of what the file holds.
    pub(super) fn begin(&mut self, id: String, wanted: Wanted, subjects: Vec<Selected>) -> Result<(), Failure> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|error| self.unwritten(&error))?;
        let count = subjects.len();
        let lines = [Line::Run { id, wanted }].into_iter().chain(subjects.into_iter().map(Line::Selected));
        self.append(lines.chain([Line::Listed { subjects: count }]))?;
        sync_name(&self.path).map_err(|error| self.unwritten(&error))
    }

    /// Records what happened to subjects. It is on the disk when this returns.
    pub(super) fn record(&mut self, steps: impl IntoIterator<Item = (usize, Step)>) -> Result<(), Failure> {
        self.append(steps.into_iter().map(|(subject, step)| Line::Step { subject, step }))
    }

    fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), Failure> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, &line).map_err(Failure::failed)?;
            text.push(b'\n');
            self.take(line);
        }
        if text.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        written.map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        Failure::caused(format!("can't use {}", self.path.display()), error)
    }

    /// The subjects of the run.
    pub(super) fn subjects(&self) -> &[Selected] {
        &self.subjects
    }

    /// What happened last to the subject of that place.
    pub(super) fn step(&self, subject: usize) -> Option<&Step> {
        self.steps.get(&subject)
    }

    /// The subjects whose change may have been sent.
    pub(super) fn sent(&self) -> HashSet<Subject> {
        self.prepared.iter().filter_map(|place| Some(self.subjects.get(*place)?.name.clone())).collect()
    }

    /// The subjects whose pending password may be the one in force.
    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = &Subject> {
        let is_unconfirmed = |(place, _): &(usize, &Selected)| matches!(self.step(*place), Some(Step::Unconfirmed(_)));
        self.subjects.iter().enumerate().filter(is_unconfirmed).map(|(_, subject)| &subject.name)
    }

    /// The places of the subjects that are not done with.
    pub(super) fn open_subjects(&self) -> Vec<usize> {
        let is_open = |subject: &usize| !self.steps.get(subject).is_some_and(Step::is_final);
        (0..self.subjects.len()).filter(is_open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::opened_again;
    use super::super::subject::Kind;
    use super::*;

    fn wanted() -> Wanted {
        Wanted { selection: Selection::default(), destination: "file /x".to_owned(), overlap_seconds: Some(60) }
    }

    fn subjects() -> Vec<Selected> {
        let named = |name: &str| Subject {
            kind: Kind::InstanceAccount,
            instance: Some("r-1".to_owned()),
            name: name.to_owned(),
        };
        ["a", "b", "c"].map(|name| Selected { name: named(name), version: 1 }).into()
    }

    #[test]
    fn a_run_is_read_as_it_was_recorded_without_a_line_that_a_crash_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = State::open(&path).unwrap();
        assert!(state.run().is_none());
        state.begin("run-1".to_owned(), wanted(), subjects()).unwrap();
        state.record([(0, Step::Prepared), (1, Step::Prepared)]).unwrap();
        state.record([(0, Step::Rotated(2)), (1, Step::Failed("no".to_owned()))]).unwrap();
        assert!(State::open(&path).is_err(), "two runs use one file");
        drop(state);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&before[..], b"{\"step\":{\"subj"].concat()).unwrap();

        let mut state = opened_again(|| State::open(&path));
        assert_eq!(state.run(), Some(("run-1", &wanted())));
        assert_eq!(state.subjects(), subjects());
        assert_eq!(state.open_subjects(), [1, 2]);
        assert_eq!((state.step(0), state.step(2)), (Some(&Step::Rotated(2)), None));
        assert_eq!(std::fs::read(&path).unwrap(), before);

        let prepared: HashSet<_> = subjects().into_iter().take(2).map(|subject| subject.name).collect();
        assert_eq!(state.sent(), prepared, "also if a later step is another one");
        state.begin("run-2".to_owned(), wanted(), subjects()).unwrap();
        assert_eq!(state.sent(), HashSet::new(), "another run");
    }

    #[test]
    fn a_list_that_a_crash_cut_off_is_no_run_and_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        State::open(&path).unwrap().begin("run-1".to_owned(), wanted(), subjects()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        std::fs::write(&path, lines[..3].concat()).unwrap();
        assert!(opened_again(|| State::open(&path)).run().is_none());

        for foreign in ["{\"name\":\"a\"}\n", "no line end", "{\"name\""] {
            std::fs::write(&path, foreign).unwrap();
            assert!(
                State::open(&path).is_err_and(|failure| failure.kind() == crate::cli::failure::Kind::Usage),
                "{foreign}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
        }
    }
}
