//! The key-value engine, version 2, of OpenBao or HashiCorp Vault: one secret for each subject.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{NewPassword, Run};
use crate::cli::failure::Failure;
use crate::cli::http_client::http_client;
use crate::cli::rotate::subject::Subject;
use crate::domain::password::Password;
use crate::outgoing::{Outgoing, OutgoingError, OutgoingLimits};
use crate::server::OperatorFile;

const LIMITS: OutgoingLimits = OutgoingLimits { within: Duration::from_secs(30), max_bytes: 4 * 1024 * 1024 };
/// The password in force.
const PASSWORD: &str = "password";
/// Its version, and the run that set it.
const VERSION: &str = "version";
const RUN: &str = "run";
/// A password that is not in force yet, and its run.
const PENDING: &str = "pending_password";
const PENDING_RUN: &str = "pending_run";
/// What was pending of another run.
const EARLIER_PENDING: &str = "earlier_pending_password";

/// Where the secrets are.
#[derive(Debug, Args)]
pub(super) struct VaultArgs {
    /// Write a secret for each subject to OpenBao or HashiCorp Vault at this URL.
    #[arg(
        long,
        value_name = "URL",
        group = "destination",
        requires = "vault_token_file",
        help_heading = "Destination"
    )]
    pub(super) vault: Option<String>,
    /// File with the token for it.
    #[arg(long, value_name = "FILE", requires = "vault", help_heading = "Destination")]
    vault_token_file: Option<PathBuf>,
    /// CAs that its certificate is checked with, as PEM. Default: the public ones.
    #[arg(long, value_name = "FILE", requires = "vault", help_heading = "Destination")]
    vault_ca_file: Option<PathBuf>,
    /// Where its key-value engine, version 2, is mounted.
    #[arg(long, value_name = "PATH", default_value = "secret", help_heading = "Destination")]
    vault_mount: String,
    /// Path below which the secrets are: TENANT/KIND/NAME, for an account TENANT/KIND/INSTANCE/NAME.
    #[arg(long, value_name = "PATH", default_value = "credentiald", help_heading = "Destination")]
    vault_path: String,
}

/// The secrets of a run.
pub(in crate::cli::rotate) struct Vault {
    /// For paths below the mount.
    outgoing: Outgoing,
    token_file: PathBuf,
    path: String,
    run: String,
}

/// A secret as it is stored.
#[derive(Default)]
struct Secret {
    data: Map<String, Value>,
    /// 0 if there is none.
    version: u64,
}

#[derive(Deserialize)]
struct Answer {
    data: AnsweredData,
}

#[derive(Deserialize)]
struct AnsweredData {
    #[serde(default)]
    data: Option<Map<String, Value>>,
    metadata: AnsweredMetadata,
}

#[derive(Deserialize)]
struct AnsweredMetadata {
    version: u64,
}

impl VaultArgs {
    /// Where the secrets are, as the state file names it.
    pub(super) fn name(&self) -> Option<String> {
        let Self { vault, vault_mount, vault_path, .. } = self;
        vault.as_ref().map(|url| format!("vault {url} {vault_mount}/{vault_path}"))
    }

    /// Checks the URL, the files and where the secrets of that tenant are.
    pub(super) fn check(&self, tenant: Option<&str>) -> Result<(), Failure> {
        self.open(Run { id: "", tenant }).map(drop)
    }

    /// The secrets of a run, if the URL is given.
    pub(super) fn open(&self, run: Run<'_>) -> Result<Option<Vault>, Failure> {
        let (Some(url), Some(token_file)) = (&self.vault, &self.vault_token_file) else { return Ok(None) };
        let outgoing = http_client("--vault ", url, self.vault_ca_file.as_deref(), LIMITS)?;
        OperatorFile::read_secret(token_file).map_err(Failure::failed)?;
        let mount = self.vault_mount.trim_matches('/');
        let mut path = self.vault_path.trim_matches('/').to_owned();
        if let Some(tenant) = run.tenant {
            path = format!("{path}/{tenant}");
        }
        if leads_elsewhere(mount) || leads_elsewhere(&path) {
            return Err(Failure::usage(format!("`.` or `..` would lead to another place in OpenBao: {mount}/{path}")));
        }
        let outgoing = outgoing.below(&format!("v1/{mount}/data"));
        Ok(Some(Vault { outgoing, token_file: token_file.clone(), path, run: run.id.to_owned() }))
    }
}

/// Whether a part of a path is `.` or `..`.
fn leads_elsewhere(path: &str) -> bool {
    path.split('/').any(|part| part == "." || part == "..")
}

/// Whether the name of a subject can be in the path of a secret.
pub(super) fn can_hold(name: &Subject) -> bool {
    !leads_elsewhere(&name.joined('/'))
}

impl Vault {
    pub(super) async fn stored(&self, name: &Subject) -> Result<Option<Password>, Failure> {
        let mut data = self.read(name).await?.data;
        for (run, password) in [(PENDING_RUN, PENDING), (RUN, PASSWORD)] {
            if data.get(run).and_then(Value::as_str) == Some(self.run.as_str())
                && let Some(Value::String(password)) = data.remove(password)
            {
                return Ok(Password::parse(password).ok());
            }
        }
        Ok(None)
    }

    pub(super) async fn prepare(&self, passwords: &[NewPassword<'_>]) -> Result<(), Failure> {
        for NewPassword { name, password } in passwords {
            let change = |data: &mut Map<String, Value>| {
                // It may be in force, if that run was ended by force.
                let is_of_another = data.get(PENDING_RUN).is_some_and(|run| run.as_str() != Some(self.run.as_str()));
                if let Some(earlier) = data.remove(PENDING).filter(|_| is_of_another) {
                    data.insert(EARLIER_PENDING.to_owned(), earlier);
                }
                data.insert(PENDING.to_owned(), password.expose().into());
                data.insert(PENDING_RUN.to_owned(), self.run.as_str().into());
            };
            self.update(name, change).await?;
        }
        Ok(())
    }

    pub(super) async fn confirm(&self, passwords: &[(NewPassword<'_>, u64)]) -> Result<(), Failure> {
        for (NewPassword { name, password }, version) in passwords {
            let change = |data: &mut Map<String, Value>| {
                data.insert(PASSWORD.to_owned(), password.expose().into());
                data.insert(VERSION.to_owned(), (*version).into());
                data.insert(RUN.to_owned(), self.run.as_str().into());
                data.remove(PENDING);
                data.remove(PENDING_RUN);
            };
            self.update(name, change).await?;
        }
        Ok(())
    }

    /// Changes a secret. What else it holds stays, and a change of another writer in between fails this one.
    async fn update(&self, name: &Subject, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), Failure> {
        let Secret { mut data, version } = self.read(name).await?;
        change(&mut data);
        let document = serde_json::to_vec(&json!({ "options": { "cas": version }, "data": data }));
        let document = Zeroizing::new(document.map_err(Failure::failed)?);
        let sent = self.at(name).post_json(document, Some(&self.token_file)).await;
        sent.map(drop).map_err(|error| self.failed("written", name, &error))
    }

    async fn read(&self, name: &Subject) -> Result<Secret, Failure> {
        match self.at(name).get("application/json", Some(&self.token_file)).await {
            Ok(answer) => {
                let answer = serde_json::from_slice::<Answer>(&answer.body).map_err(|_| {
                    Failure::failed(format!(
                        "the secret {} is not of a key-value engine, version 2",
                        self.path_of(name)
                    ))
                })?;
                let AnsweredData { data, metadata } = answer.data;
                Ok(Secret { data: data.unwrap_or_default(), version: metadata.version })
            }
            Err(OutgoingError::Status(StatusCode::NOT_FOUND)) => Ok(Secret::default()),
            Err(error) => Err(self.failed("read", name, &error)),
        }
    }

    fn at(&self, name: &Subject) -> Outgoing {
        self.outgoing.below(&self.path_of(name))
    }

    fn path_of(&self, name: &Subject) -> String {
        format!("{}/{}/{}", self.path, name.kind.word(), name.joined('/'))
    }

    fn failed(&self, what: &str, name: &Subject, error: &OutgoingError) -> Failure {
        let context = format!("the secret {} can't be {what}", self.path_of(name));
        let failure = Failure::caused(context, error);
        match error {
            OutgoingError::Status(StatusCode::BAD_REQUEST) => {
                failure.with_line("another writer may have changed it, or it may be deleted and not destroyed")
            }
            OutgoingError::Status(StatusCode::FORBIDDEN) => {
                failure.with_line("its token needs create, read and update there")
            }
            _ => failure,
        }
    }
}
