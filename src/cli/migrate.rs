//! `migrate`.

use clap::Args;

use super::configuration::load;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;

/// Bring the store to the schema of this version; make it where there is none.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald migrate --config /etc/credentiald.toml")]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &MigrateArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let _effective = load(&args.settings, environment)?;
    std::future::ready(Err::<(), _>(Failure::failed("migrate is not built yet"))).await?;
    terminal.print("the store has the schema of this version")
}
