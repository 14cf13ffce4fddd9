//! Where new passwords go. Each is there before its change is sent, so that no subject ever has a password that is nowhere.

mod lines;
mod manifest;
mod vault;

use std::path::PathBuf;

use clap::Args;

use super::subject::Subject;
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;
use crate::domain::password::Password;
use lines::{LinesFile, PrintedLines};
use manifest::{Manifest, ManifestArgs};
use vault::{Vault, VaultArgs};

/// Where the new passwords go. Exactly one is given.
#[derive(Debug, Args)]
pub(super) struct DestinationArgs {
    /// Add JSON lines to this file, which only its owner can read.
    #[arg(long, value_name = "FILE", group = "destination", help_heading = "Destination")]
    file: Option<PathBuf>,
    /// Print JSON lines on standard output.
    #[arg(long, group = "destination", help_heading = "Destination")]
    stdout: bool,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    manifest: ManifestArgs,
}

/// A subject's new password on its way to the destination.
pub(super) struct NewPassword<'a> {
    pub(super) name: &'a Subject,
    pub(super) password: &'a Password,
}

/// A run, as destinations mark what is of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) id: &'a str,
    pub(super) tenant: Option<&'a str>,
}

/// Where new passwords go.
pub(super) enum Destination {
    File(LinesFile),
    Printed(PrintedLines),
    Vault(Box<Vault>),
    Manifest(Box<Manifest>),
}

impl DestinationArgs {
    /// Where the passwords go, as the state file names it; `None` if that is not given.
    pub(super) fn name(&self) -> Result<Option<String>, Failure> {
        let absolute = |path: &PathBuf| {
            let path = std::path::absolute(path);
            path.map(|path| path.display().to_string()).map_err(|error| Failure::caused("no such path", &error))
        };
        Ok(Some(match (&self.file, &self.manifest.path, self.vault.name()) {
            (Some(file), ..) => format!("file {}", absolute(file)?),
            (_, Some(file), _) => format!("manifest {} of {}", absolute(file)?, self.manifest.full_name()),
            (.., Some(vault)) => vault,
            _ if self.stdout => "standard output".to_owned(),
            _ => return Ok(None),
        }))
    }

    /// Whether standard output is for passwords alone.
    pub(super) const fn is_printed(&self) -> bool {
        self.stdout
    }

    /// Checks what can be checked for these subjects before anything is written.
    pub(super) fn check(&self, tenant: Option<&str>, names: &[&Subject]) -> Result<(), Failure> {
        self.vault.check(tenant)?;
        let can_hold = match (&self.vault.vault, &self.manifest.path) {
            (Some(_), _) => vault::can_hold,
            (_, Some(_)) => manifest::can_hold,
            // A line holds any name.
            _ => |_: &Subject| true,
        };
        let unfit: Vec<_> = names.iter().filter(|name| !can_hold(name)).map(ToString::to_string).collect();
        if !unfit.is_empty() {
            let unfit = unfit.join(", ");
            let failure =
                Failure::failed(format!("`.` or `..` would lead to another place at the destination: {unfit}"));
            return Err(failure.with_line("rotate these with --file or --stdout, and the others with --name"));
        }
        if self.manifest.path.is_some() { manifest::check(names) } else { Ok(()) }
    }

    /// Opens the destination for a run, which may continue.
    pub(super) fn open(&self, run: Run<'_>, continues: bool) -> Result<Destination, Failure> {
        if let Some(path) = &self.file {
            return LinesFile::open(path, run, continues).map(Destination::File);
        }
        if self.manifest.path.is_some() {
            return Manifest::open(&self.manifest, run).map(Box::new).map(Destination::Manifest);
        }
        match self.vault.open(run)? {
            Some(vault) => Ok(Destination::Vault(Box::new(vault))),
            None => Ok(Destination::Printed(PrintedLines::new(run))),
        }
    }
}

impl Destination {
    /// The password of this run that an earlier process has stored for a subject. `was_changed` says that it is in force.
    pub(super) async fn stored(&mut self, name: &Subject, was_changed: bool) -> Result<Option<Password>, Failure> {
        match self {
            Self::File(file) => Ok(file.stored(name)),
            Self::Printed(_) => Ok(None),
            Self::Vault(vault) => vault.stored(name).await,
            Self::Manifest(manifest) => Ok(manifest.stored(name, was_changed)),
        }
    }

    /// Stores passwords that are not in force yet. They are safe when this returns.
    pub(super) async fn prepare(
        &mut self,
        passwords: &[NewPassword<'_>],
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.prepare(passwords),
            Self::Printed(lines) => lines.prepare(passwords, terminal),
            Self::Vault(vault) => vault.prepare(passwords).await,
            Self::Manifest(manifest) => manifest.prepare(passwords),
        }
    }

    /// Marks passwords as being in force, with the versions that they have.
    pub(super) async fn confirm(
        &mut self,
        passwords: &[(NewPassword<'_>, u64)],
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.confirm(passwords),
            Self::Printed(lines) => lines.confirm(passwords, terminal),
            Self::Vault(vault) => vault.confirm(passwords).await,
            Self::Manifest(manifest) => manifest.confirm(passwords),
        }
    }
}
