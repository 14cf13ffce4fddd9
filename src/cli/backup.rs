//! `backup` and `restore`.

use std::path::PathBuf;

use clap::Args;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::store::{pepper, ring};
use super::terminal::Terminal;
use crate::hashing::KeyRing;
use crate::server::location;
use crate::store::{Location, sqlite};

/// Copy the embedded store into a file. The service may be running.
///
/// The copy is consistent as of one moment. It is read back completely before it gets its name. Keep it as secret as
/// the store itself.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald backup --config /etc/credentiald.toml /backup/monday.db")]
pub(super) struct BackupArgs {
    /// File to write. It must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    settings: SettingArgs,
}

/// Restore the embedded store from a backup.
///
/// The backup is read completely before anything is replaced. No process may have the store open: stop the service
/// first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald restore --config /etc/credentiald.toml --replace /backup/monday.db")]
pub(super) struct RestoreArgs {
    /// Backup file to restore.
    file: PathBuf,
    /// Replace an existing store. It is kept next to the new one, under another name.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn back_up(
    args: &BackupArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (store, ring) = embedded_store(&args.settings, environment)?;
    let copied = sqlite::backup(&store, &args.file, pepper(&ring)).await;
    let copied = copied.map_err(|error| Failure::caused("can't back up", &error))?;
    terminal.print(&format!("backed up to {}: {} rows, all read back", args.file.display(), copied.rows))
}

pub(super) async fn restore(
    args: &RestoreArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (store, ring) = embedded_store(&args.settings, environment)?;
    let copied = sqlite::restore(&args.file, &store, args.replace, pepper(&ring)).await;
    let copied = copied.map_err(|error| match error {
        sqlite::BackupError::Exists(path) => {
            Failure::failed(format!("{} already exists: use --replace to replace it", path.display()))
        }
        error => Failure::caused("can't restore", &error),
    })?;
    if let Some(replaced) = copied.replaced {
        terminal.complain(&format!("the replaced store is kept as {}", replaced.display()));
    }
    terminal.print(&format!("restored to {}: {} rows", store.display(), copied.rows))
}

/// The file of the embedded store, and the pepper key ring.
fn embedded_store(args: &SettingArgs, environment: &Environment) -> Result<(PathBuf, KeyRing), Failure> {
    let config = load_offline(args, environment)?.config;
    match location(&config).map_err(Failure::failed)? {
        Location::Sqlite(path) => Ok((path, ring(&config)?)),
        #[cfg(feature = "postgres")]
        Location::Postgres(..) => {
            Err(Failure::failed("the store is in PostgreSQL: use its own pg_dump or pg_basebackup, and pg_restore"))
        }
    }
}
