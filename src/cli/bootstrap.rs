//! `bootstrap`.

use clap::Args;

use super::configuration::load;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;

/// Make the first operator token of an empty store, and print it once.
///
/// Runs where the store is. Where the store has an operator token already, nothing is made.
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
    let _effective = load(&args.settings, environment)?;
    let token = std::future::ready(Err::<String, _>(Failure::failed("bootstrap is not built yet"))).await?;
    report(&token, terminal)
}

/// The token alone on standard output, so that a script can take it; what is to be known about it beside that.
fn report(token: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.complain("the first operator token; it is not shown again:");
    terminal.print(token)
}
