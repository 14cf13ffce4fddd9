//! A manifest of a Secret of Kubernetes, as JSON, which `kubectl` reads as well as YAML.
//!
//! Passwords that are not in force yet are in a Secret of their own beside it, so that the file can be applied at any time.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{NewPassword, Run};
use crate::cli::failure::Failure;
use crate::cli::new_file::{lock, replace};
use crate::cli::rotate::subject::Subject;
use crate::domain::password::Password;

/// The most that a Secret can hold.
const MAX_BYTES: usize = 1024 * 1024;
/// The annotation with the run that passwords are pending of.
const RUN: &str = "credentiald/run";

/// Which Secret, and in which file.
#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    /// Write a Secret of Kubernetes to this file, which only its owner can read. What it holds of other subjects stays.
    #[arg(
        long = "manifest",
        value_name = "FILE",
        group = "destination",
        requires = "secret_name",
        help_heading = "Destination"
    )]
    pub(super) path: Option<PathBuf>,
    /// Name of the Secret.
    #[arg(long, value_name = "NAME", requires = "path", help_heading = "Destination")]
    secret_name: Option<String>,
    /// Namespace of the Secret. Default: none, so that it is the one of `kubectl`.
    #[arg(long, value_name = "NAME", requires = "path", help_heading = "Destination")]
    secret_namespace: Option<String>,
}

impl ManifestArgs {
    /// The name of the Secret with its namespace.
    pub(super) fn full_name(&self) -> String {
        let name = self.secret_name.as_deref().unwrap_or_default();
        self.secret_namespace.as_deref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
    }

    fn metadata(&self) -> Metadata {
        let name = self.secret_name.clone().unwrap_or_default();
        Metadata { name, namespace: self.secret_namespace.clone(), annotations: BTreeMap::new() }
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    api_version: String,
    kind: String,
    metadata: Metadata,
    r#type: String,
    data: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    api_version: String,
    kind: String,
    items: Vec<Secret>,
}

/// The file of a run.
pub(in crate::cli::rotate) struct Manifest {
    path: PathBuf,
    secret: Secret,
    pending: Secret,
    /// The passwords of this run that were there when it was opened.
    found: HashMap<String, Password>,
    /// Locked as long as this is open. The manifest itself is replaced.
    _lock: File,
}

/// Keeps other runs from a manifest.
fn lock_beside(path: &Path) -> Result<File, Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    lock(&path.with_file_name(name), &format!("{} is used by another run", path.display()))
}

/// The key of a subject.
fn key(name: &Subject) -> String {
    name.joined('.')
}

/// Whether a Secret can have the key of a subject. Kubernetes writes keys as files into a folder of its own.
pub(super) fn can_hold(name: &Subject) -> bool {
    let key = key(name);
    key != "." && !key.starts_with("..")
}

/// Checks that each subject has a key of its own.
pub(super) fn check(names: &[&Subject]) -> Result<(), Failure> {
    let mut keys = HashMap::new();
    for name in names {
        let key = key(name);
        if let Some(other) = keys.insert(key.clone(), name) {
            return Err(Failure::failed(format!("{other} and {name} have the same key in a Secret: {key}")));
        }
    }
    Ok(())
}

impl Secret {
    fn new(metadata: Metadata) -> Self {
        let [api_version, kind, r#type] = ["v1", "Secret", "Opaque"].map(str::to_owned);
        Self { api_version, kind, metadata, r#type, data: BTreeMap::new() }
    }

    fn insert(&mut self, new: &NewPassword<'_>) {
        self.data.insert(key(new.name), STANDARD.encode(new.password.expose()));
    }
}

impl Manifest {
    pub(super) fn open(args: &ManifestArgs, run: Run<'_>) -> Result<Self, Failure> {
        let path = args.path.clone().unwrap_or_default();
        let lock = lock_beside(&path)?;
        let of_pending = |run: &str| Metadata {
            name: format!("{}-pending", args.metadata().name),
            annotations: BTreeMap::from([(RUN.to_owned(), run.to_owned())]),
            ..args.metadata()
        };
        let (mut secret, mut pending) = (Secret::new(args.metadata()), Secret::new(of_pending(run.id)));
        let mut found = HashMap::new();
        for item in read(&path)? {
            if item.metadata.annotations.get(RUN).is_some_and(|of| item.metadata == of_pending(of)) {
                // What is pending of another run is not lost with it.
                if item.metadata != pending.metadata {
                    return Err(Failure::failed(format!(
                        "{} holds passwords of another run that may not be in force: finish that run",
                        path.display()
                    )));
                }
                found = item.data.iter().filter_map(|(key, value)| Some((key.clone(), decoded(value)?))).collect();
                pending = item;
            } else if item.metadata.name == secret.metadata.name
                && item.metadata.namespace == secret.metadata.namespace
                && item.kind == secret.kind
            {
                secret = item;
            } else {
                let (path, name) = (path.display(), args.full_name());
                return Err(Failure::failed(format!("{path} is not a manifest of the Secret {name} in JSON")));
            }
        }
        Ok(Self { path, secret, pending, found, _lock: lock })
    }

    /// A password that was changed and is no longer pending is in the Secret. Until then, what is there is of an earlier run.
    pub(super) fn stored(&mut self, name: &Subject, was_changed: bool) -> Option<Password> {
        let key = key(name);
        let in_force = || decoded(self.secret.data.get(&key).filter(|_| was_changed)?);
        self.found.remove(&key).or_else(in_force)
    }

    pub(super) fn prepare(&mut self, passwords: &[NewPassword<'_>]) -> Result<(), Failure> {
        for new in passwords {
            self.pending.insert(new);
        }
        let values = self.secret.data.iter().chain(&self.pending.data);
        let bytes: usize = values.map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_BYTES {
            return Err(Failure::failed(format!(
                "a Secret holds at most {MAX_BYTES} bytes: rotate fewer subjects into it"
            )));
        }
        self.write()
    }

    pub(super) fn confirm(&mut self, passwords: &[(NewPassword<'_>, u64)]) -> Result<(), Failure> {
        for (new, _) in passwords {
            self.secret.insert(new);
            self.pending.data.remove(&key(new.name));
        }
        self.write()
    }

    /// Replaces the file at once. Its content and its name are on the disk when this returns.
    fn write(&self) -> Result<(), Failure> {
        let text = if self.pending.data.is_empty() {
            serde_json::to_vec_pretty(&self.secret)
        } else {
            #[derive(Serialize)]
            #[serde(rename_all = "camelCase")]
            struct List<'a> {
                api_version: &'a str,
                kind: &'a str,
                items: [&'a Secret; 2],
            }
            serde_json::to_vec_pretty(&List { api_version: "v1", kind: "List", items: [&self.secret, &self.pending] })
        };
        let mut text = Zeroizing::new(text.map_err(Failure::failed)?);
        text.push(b'\n');
        replace(&self.path, &text)
            .map_err(|error| Failure::caused(format!("can't write {}", self.path.display()), &error))
    }
}

fn decoded(value: &str) -> Option<Password> {
    let text = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    Password::parse(text).ok()
}

/// The Secrets in the file, if there is one.
fn read(path: &Path) -> Result<Vec<Secret>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::caused(format!("can't read {}", path.display()), &error)),
    };
    if let Ok(list) = serde_json::from_slice::<List>(&text) {
        return Ok(list.items);
    }
    let one = serde_json::from_slice::<Secret>(&text);
    one.map(|secret| vec![secret])
        .map_err(|_| Failure::failed(format!("{} is not a manifest of a Secret in JSON", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use serde_json::{Value, json};

    use super::*;
    use crate::cli::rotate::subject::Kind;

    fn account(name: &str) -> Subject {
        Subject { kind: Kind::InstanceAccount, instance: Some("r-1".to_owned()), name: name.to_owned() }
    }

    #[test]
    fn a_password_is_in_the_secret_once_it_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let args = ManifestArgs {
            path: Some(folder.path().join("secret.json")),
            secret_name: Some("redis".to_owned()),
            secret_namespace: Some("shop".to_owned()),
        };
        let path = args.path.clone().unwrap();
        let file = || serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap();
        let [run, other_run] = ["run-1", "run-2"].map(|id| Run { id, tenant: None });
        let [old, new] = ["old", "new"].map(|text| Password::parse(text.to_owned()).unwrap());
        let (app, web) = (account("app"), account("web"));
        let mut manifest = Manifest::open(&args, run).unwrap();
        let of = |name, password| NewPassword { name, password };
        manifest.prepare(&[of(&app, &old), of(&web, &old)]).unwrap();
        manifest.confirm(&[(of(&app, &old), 2), (of(&web, &old), 2)]).unwrap();
        let data = json!({ "r-1.app": STANDARD.encode("old"), "r-1.web": STANDARD.encode("old") });
        let expected = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": "redis", "namespace": "shop" }, "data": data });
        assert_eq!(file(), expected);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        manifest.prepare(&[of(&app, &new)]).unwrap();
        assert_eq!(
            (&file()["kind"], &file()["items"][0]["data"]),
            (&json!("List"), &data),
            "what is applied now works"
        );
        assert!(Manifest::open(&args, run).is_err(), "while it is open, it is not opened again");
        drop(manifest);
        assert!(Manifest::open(&args, other_run).is_err());
        let mut again = Manifest::open(&args, run).unwrap();
        assert_eq!(again.stored(&app, true).unwrap().expose(), "new");
        assert_eq!(again.stored(&web, true).unwrap().expose(), "old");
        assert!(again.stored(&web, false).is_none());
        again.confirm(&[(of(&app, &new), 3)]).unwrap();
        let expected = json!({ "r-1.app": STANDARD.encode("new"), "r-1.web": STANDARD.encode("old") });
        assert_eq!((&file()["kind"], &file()["data"]), (&json!("Secret"), &expected));
        drop(again);
        Manifest::open(&args, other_run).unwrap();
    }

    #[test]
    fn another_file_is_refused_and_so_are_two_subjects_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.json");
        let args = ManifestArgs { path: Some(path.clone()), secret_name: Some("a".to_owned()), secret_namespace: None };
        let other =
            json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": "b" }, "data": {} });
        for text in [other.to_string(), "apiVersion: v1\n".to_owned()] {
            fs::write(&path, &text).unwrap();
            assert!(Manifest::open(&args, Run { id: "x", tenant: None }).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let [user, domain] =
            [Kind::RamUser, Kind::MailDomain].map(|kind| Subject { kind, instance: None, name: "x".to_owned() });
        assert!(check(&[&user, &domain]).is_err());
        assert!(check(&[&user]).is_ok());
    }
}
