//! `bootstrap`.

use clap::Args;

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::domain::names::FreeName;
use crate::server::Server;

/// Create the first operator token, and print it once.
///
/// Needs access to the store, and works only while no operator has a valid token.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  CREDENTIALD_TOKEN=$(credentiald bootstrap --config /etc/credentiald/credentiald.toml)"
)]
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
    match issued.map_err(|error| Failure::caused("can't create a token", &error))? {
        Some(issued) => report(&issued.text, terminal),
        None => Err(Failure::failed("an operator has a valid access token already, and can issue more")),
    }
}

/// Prints only the token on standard output, so that a script can read it, and notes about it on standard error.
fn report(token: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.complain("the first operator token; it is not shown again:");
    terminal.print(token)
}
