//! `migrate`.

use clap::Args;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::config::StoreLocation;
use crate::store::{Migrated, sqlite};

/// Bring the store to the schema of this version.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald migrate --config /etc/credentiald.toml")]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &MigrateArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let StoreLocation::Sqlite(path) = load_offline(&args.settings, environment)?.config.store.url;
    let migrated = sqlite::migrate(&path).await.map_err(|error| Failure::caused("can't migrate", &error))?;
    terminal.print(&match migrated {
        Migrated { from, to } if from == to => format!("the store has schema {to} already"),
        Migrated { from, to } => format!("the store went from schema {from} to {to}"),
    })
}
