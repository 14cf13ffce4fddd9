//! `serve`.

use clap::Args;

use super::configuration::load_and_log;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;

/// Serve until stopped, as configured.
///
/// On SIGTERM or Ctrl-C health turns `NOT_SERVING`, requests in flight finish within the drain time, and new ones are
/// refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald serve --config /etc/credentiald.toml
  CREDENTIALD_STORE_URL=sqlite:/var/lib/credentiald/credentiald.db credentiald serve --log-format json")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let _effective = load_and_log(&args.settings, environment)?;
    std::future::ready(Err(Failure::failed("serve is not built yet"))).await
}
