//! `store check`.

use std::sync::Arc;

use clap::Subcommand;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::hashing::KeyRing;
use crate::ports::{Clock, Entropy, Pepper};
use crate::server::{key_ring, location};
use crate::store::sqlite::OpenError;
use crate::store::{CheckReport, Location, Opening, SqlStore};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Read everything in the store, and report what is damaged.
    ///
    /// Changes nothing. With the pepper keys, also decrypts every encrypted hash and secret; those whose keys are declared lost
    /// are counted, and are no damage. Exit status 1 if something is damaged.
    #[command(
        after_help = "Example:\n  credentiald store check --store-url sqlite:/var/lib/credentiald/credentiald.db"
    )]
    Check(SettingArgs),
}

pub(super) async fn run(
    command: &StoreCommand,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let StoreCommand::Check(args) = command;
    let config = load_offline(args, environment)?.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ring = ring(&config)?;
    let location = location(&config).map_err(Failure::failed)?;
    let report = location.check(pepper(&ring), &clock).await;
    let report = report.map_err(|error| Failure::caused("can't check", &error))?;
    show(&report, terminal)
}

/// Opens the store that the settings name, for a command that works beside a service.
pub(super) async fn open_beside(config: &Config) -> Result<SqlStore, Failure> {
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let location = location(config).map_err(Failure::failed)?;
    // Creating a store here would hide that the path is wrong.
    if let Location::Sqlite(path) = &location
        && !path.exists()
    {
        return Err(Failure::failed(OpenError::Absent(path.clone())));
    }
    let store = location.open(Opening::Beside, &clock, &entropy).await;
    store.map_err(|error| Failure::caused("can't open the store", &error))
}

/// The pepper key ring.
pub(super) fn ring(config: &Config) -> Result<KeyRing, Failure> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    key_ring(&config.pepper, &entropy).map_err(Failure::failed)
}

/// The decryption of hashes, if there are keys.
pub(super) fn pepper(ring: &KeyRing) -> Option<&dyn Pepper> {
    ring.current().is_some().then_some(ring)
}

/// Prints each damage on a line of its own, and how much is lost with its keys.
fn show(report: &CheckReport, terminal: &mut Terminal) -> Result<(), Failure> {
    match report.lost {
        0 => {}
        1 => terminal.print("1 hash or secret can't be decrypted: its pepper key is declared lost")?,
        lost => terminal
            .print(&format!("{lost} hashes or secrets can't be decrypted: their pepper keys are declared lost"))?,
    }
    let damages = &report.damages;
    if damages.is_empty() {
        return terminal.print("the store is undamaged");
    }
    damages.iter().try_for_each(|damage| terminal.print(damage))?;
    let noun = if damages.len() == 1 { "damage" } else { "damages" };
    Err(Failure::failed(format!("{} {noun} found", damages.len())))
}
