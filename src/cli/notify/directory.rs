//! What a sender keeps: how far it is, and what could not be delivered.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::notification::Notification;
use crate::cli::failure::Failure;
use crate::cli::new_file::{lock, private_folder, replace};

/// The cursor after the last event that is done with.
const POSITION: &str = "position";
/// The folder of the notifications that were given up.
const DEAD_LETTERS: &str = "dead-letters";
/// The most of them. While there are as many, none is given up.
pub(super) const MAX_DEAD_LETTERS: usize = 10_000;

/// A directory of one sender.
pub(super) struct Directory {
    path: PathBuf,
    /// Held for as long as this process sends.
    _lock: File,
}

/// A notification that was given up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeadLetter {
    pub(super) id: String,
    /// In seconds since 1970.
    pub(super) given_up_at: i64,
    pub(super) reason: String,
    pub(super) body: String,
}

/// What a process does with the directory. Two of a kind do not work at a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Send,
    Resend,
}

impl Use {
    const fn lock(self) -> &'static str {
        match self {
            Self::Send => "sender.lock",
            Self::Resend => "resender.lock",
        }
    }
}

impl Directory {
    /// Opens the directory, and makes it if there is none yet.
    pub(super) fn open(path: &Path, usage: Use) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::caused(format!("can't use {}", path.display()), &error);
        private_folder(&path.join(DEAD_LETTERS)).map_err(failed)?;
        let used = format!("{} is used by another process", path.display());
        let lock = lock(&path.join(usage.lock()), &used)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The cursor to go on after, if there is one.
    pub(super) fn position(&self) -> Result<Option<String>, Failure> {
        match fs::read_to_string(self.path.join(POSITION)) {
            Ok(cursor) => Ok(Some(cursor.trim().to_owned()).filter(|cursor| !cursor.is_empty())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Notes that everything up to a cursor is done with. It is on the disk when this returns.
    pub(super) fn set_position(&self, cursor: &str) -> Result<(), Failure> {
        replace(&self.path.join(POSITION), cursor.as_bytes()).map_err(|error| self.failed(&error))
    }

    /// Gives a notification up, unless there are too many of them. Returns whether it did.
    pub(super) fn give_up(&self, letter: &DeadLetter) -> Result<bool, Failure> {
        if self.names()?.len() >= MAX_DEAD_LETTERS {
            return Ok(false);
        }
        let text = serde_json::to_vec(letter).map_err(Failure::failed)?;
        // In the order in which they were given up.
        let name = format!("{:012}-{}.json", letter.given_up_at, letter.id);
        replace(&self.path.join(DEAD_LETTERS).join(name), &text).map_err(|error| self.failed(&error))?;
        Ok(true)
    }

    /// The notifications that were given up, the oldest first, with the names of their files.
    pub(super) fn dead_letters(&self) -> Result<Vec<(PathBuf, DeadLetter)>, Failure> {
        let read = |name: PathBuf| {
            let text = fs::read(&name).map_err(|error| self.failed(&error))?;
            let letter = serde_json::from_slice(&text);
            let letter = letter.map_err(|_| Failure::failed(format!("{} is damaged", name.display())))?;
            Ok((name, letter))
        };
        self.names()?.into_iter().map(read).collect()
    }

    /// Removes one that was delivered after all.
    pub(super) fn remove(&self, name: &Path) -> Result<(), Failure> {
        fs::remove_file(name).map_err(|error| self.failed(&error))
    }

    fn names(&self) -> Result<Vec<PathBuf>, Failure> {
        let list = || {
            let entries = fs::read_dir(self.path.join(DEAD_LETTERS))?;
            let mut names = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
            // Others are not complete yet.
            names.retain(|name| name.extension().is_some_and(|extension| extension == "json"));
            names.sort();
            Ok(names)
        };
        list().map_err(|error: io::Error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::caused(format!("can't use {}", self.path.display()), error)
    }
}

impl DeadLetter {
    pub(super) fn of(notification: &Notification, given_up_at: i64, reason: String) -> Self {
        Self { id: notification.id.clone(), given_up_at, reason, body: notification.body.clone() }
    }

    pub(super) fn notification(&self) -> Notification {
        Notification { id: self.id.clone(), body: self.body.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let directory = Directory::open(&path, Use::Send).unwrap();
        assert!(Directory::open(&path, Use::Send).is_err());
        Directory::open(&path, Use::Resend).unwrap();
        assert_eq!(directory.position().unwrap(), None);
        for cursor in ["a", "b"] {
            directory.set_position(cursor).unwrap();
        }
        assert_eq!(directory.position().unwrap().as_deref(), Some("b"));
        for (id, at) in [("y", 2), ("x", 10)] {
            let notification = Notification { id: id.to_owned(), body: "{}".to_owned() };
            assert!(directory.give_up(&DeadLetter::of(&notification, at, "no".to_owned())).unwrap());
        }
        let letters = directory.dead_letters().unwrap();
        let ids: Vec<_> = letters.iter().map(|(_, letter)| letter.id.as_str()).collect();
        assert_eq!(ids, ["y", "x"]);
        directory.remove(&letters[0].0).unwrap();
        assert_eq!(directory.dead_letters().unwrap().len(), 1);
    }
}
