//! `migrate`.

use clap::Args;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::server::location;
use crate::store::Migrated;

/// Migrate the store to the schema of this version.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald migrate --config /etc/credentiald/credentiald.toml")]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &MigrateArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let config = load_offline(&args.settings, environment)?.config;
    let location = location(&config).map_err(Failure::failed)?;
    let migrated = location.migrate().await.map_err(|error| Failure::caused("can't migrate", &error))?;
    terminal.print(&match migrated {
        Migrated { from, to } if from == to => format!("the store already has schema {to}"),
        Migrated { from, to } => format!("migrated the store from schema {from} to {to}"),
    })
}
