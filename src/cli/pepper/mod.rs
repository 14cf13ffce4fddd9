//! `pepper`: the keys that stored hashes are encrypted under.

mod new_key;
mod rewrap;
mod status;

use clap::Subcommand;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::store::{open_beside, ring};
use super::terminal::Terminal;
use crate::domain::names::PepperKeyId;
use crate::hashing::KeyRing;
use crate::store::SqlStore;

#[derive(Debug, Subcommand)]
pub(super) enum PepperCommand {
    NewKey(new_key::NewKeyArgs),
    Status(status::StatusArgs),
    Rewrap(rewrap::RewrapArgs),
}

pub(super) async fn run(
    command: &PepperCommand,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        PepperCommand::NewKey(args) => new_key::run(args, terminal),
        PepperCommand::Status(args) => status::run(args, environment, terminal).await,
        PepperCommand::Rewrap(args) => rewrap::run(args, environment, terminal).await,
    }
}

/// The key ring and the store that the settings name.
async fn ring_and_store(args: &SettingArgs, environment: &Environment) -> Result<(KeyRing, SqlStore), Failure> {
    let config = load_offline(args, environment)?.config;
    Ok((ring(&config)?, open_beside(&config).await?))
}

/// Shown as the key id of hashes that are not encrypted.
fn name_of(key: Option<&PepperKeyId>) -> &str {
    key.map_or("(not encrypted)", PepperKeyId::as_str)
}
