//! Profiles: the services that a person calls, and how. `login` makes them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::environment::Environment;
use super::failure::Failure;
use super::new_file::{keep, private_folder, replace};
use crate::server::OperatorFile;

/// How a service is called. It holds no secret: the token is in a file of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// Its address.
    pub(super) address: String,
    /// The CA of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    /// The client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cert_file: Option<PathBuf>,
    /// The key of the client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_file: Option<PathBuf>,
    /// The access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<PathBuf>,
    /// The tenant of administration commands that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
}

/// The file of profiles.
pub(super) struct Profiles {
    folder: Option<PathBuf>,
    contents: Contents,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads them. Without a file there are none.
    pub(super) fn read(environment: &Environment) -> Result<Self, Failure> {
        let of_home = || environment.text("HOME").map(|home| Path::new(home).join(".config"));
        let configured = environment.text("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = configured.or_else(of_home).map(|folder| folder.join("credentiald"));
        let Some(path) = folder.as_deref().map(file_in).filter(|path| path.exists()) else {
            return Ok(Self { folder, contents: Contents::default() });
        };
        let text = OperatorFile::read(&path).map_err(Failure::failed)?.text;
        let damaged = |error| Failure::caused(format!("{} can't be understood", path.display()), &error);
        Ok(Self { folder, contents: toml::from_str(&text).map_err(damaged)? })
    }

    /// The profile of that name.
    pub(super) fn named(&self, name: &str) -> Result<&Profile, Failure> {
        self.contents.profiles.get(name).ok_or_else(|| {
            let names: Vec<_> = self.contents.profiles.keys().map(|name| format!("`{name}`")).collect();
            let others = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
            Failure::usage(format!("there is no profile `{name}` ({others}): make it with credentiald login"))
        })
    }

    /// The profile that is used if nothing else is named.
    pub(super) fn current(&self) -> Option<&Profile> {
        self.contents.profiles.get(self.contents.current.as_ref()?)
    }

    /// Every profile with its name, and whether it is the current one.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Profile, bool)> {
        let current = self.contents.current.as_deref();
        self.contents.profiles.iter().map(move |(name, profile)| (name.as_str(), profile, current == Some(name)))
    }

    /// Makes a profile of that name the current one, and saves that. With a profile, takes it in place of an earlier one.
    pub(super) fn select(&mut self, name: &str, profile: Option<Profile>) -> Result<(), Failure> {
        match profile {
            Some(profile) => drop(self.contents.profiles.insert(name.to_owned(), profile)),
            None => drop(self.named(name)?),
        }
        self.contents.current = Some(name.to_owned());
        self.save()
    }

    /// Removes the profile of that name, and the token that `login` wrote for it. The token goes first: after an interruption,
    /// the profile is still there to be removed. Returns the file of a token that stays because someone else wrote it.
    pub(super) fn remove(&mut self, name: &str) -> Result<Option<PathBuf>, Failure> {
        let named = self.named(name)?.token_file.clone();
        let own = self.token_of(name)?;
        if let Err(error) = fs::remove_file(&own)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(Failure::caused(format!("can't remove {}", own.display()), &error));
        }
        self.contents.profiles.remove(name);
        if self.contents.current.as_deref() == Some(name) {
            self.contents.current = None;
        }
        self.save()?;
        Ok(named.filter(|path| *path != own))
    }

    fn save(&self) -> Result<(), Failure> {
        let text = toml::to_string(&self.contents).map_err(Failure::failed)?;
        let folder = self.folder()?;
        let written = private_folder(folder).and_then(|()| replace(&file_in(folder), text.as_bytes()));
        written.map_err(|error| unwritten(&file_in(folder), &error))
    }

    /// Writes a token to a file beside the profiles that is gone once it is dropped, to be tried.
    pub(super) fn tried_token(&self, token: &str) -> Result<NamedTempFile, Failure> {
        let folder = self.folder()?;
        let write = || -> io::Result<NamedTempFile> {
            private_folder(folder)?;
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(token.as_bytes())?;
            Ok(file)
        };
        write().map_err(|error| unwritten(folder, &error))
    }

    /// Keeps a token that was tried as that of a profile, and returns the name of its file.
    pub(super) fn keep_token(&self, name: &str, tried: NamedTempFile) -> Result<PathBuf, Failure> {
        let path = self.token_of(name)?;
        keep(tried, &path).map_err(|error| unwritten(&path, &error))?;
        Ok(path)
    }

    /// The file of the token that `login` writes for that profile.
    fn token_of(&self, name: &str) -> Result<PathBuf, Failure> {
        Ok(self.folder()?.join(format!("{name}.token")))
    }

    fn folder(&self) -> Result<&Path, Failure> {
        let unset = || Failure::usage("there is no place for profiles: HOME is not set");
        self.folder.as_deref().ok_or_else(unset)
    }
}

fn file_in(folder: &Path) -> PathBuf {
    folder.join("profiles.toml")
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::caused(format!("can't write {}", path.display()), error)
}
