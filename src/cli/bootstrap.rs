//! `bootstrap`.

use clap::Args;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::domain::names::FreeName;
use crate::server::Server;

/// Make the first operator token of an empty store, and print it once.
///
/// Runs where the store is. Where an operator has a valid token already, nothing is made.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  CREDENTIALD_TOKEN=$(credentiald bootstrap --config /etc/credentiald.toml)")]
pub(super) struct BootstrapArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(
    args: &BootstrapArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let config = load_offline(&args.settings, environment)?.config;
    let server =
        Server::build_beside(&config).await.map_err(|error| Failure::caused("can't open the store", &error))?;
    let name = FreeName::parse("bootstrap").map_err(Failure::failed)?;
    let issued = server.bootstrap(name).await;
    server.close().await;
    match issued.map_err(|error| Failure::caused("can't make a token", &error))? {
        Some(issued) => report(&issued.text, terminal),
        None => Err(Failure::failed("an operator has a valid access token already, and can issue more")),
    }
}

/// The token alone on standard output, so that a script can take it; what is to be known about it beside that.
fn report(token: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.complain("the first operator token; it is not shown again:");
    terminal.print(token)
}
