//! `policy check`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::read;
use crate::cli::configuration::warn;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::settings::SettingArgs;
use crate::cli::terminal::Terminal;

/// Check policies, and report all mistakes at once.
///
/// Prints warnings for policies that can never apply. Exit status 78 if there is a mistake.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald policy check /etc/credentiald/policies
  credentiald policy check --config /etc/credentiald/credentiald.toml")]
pub(in crate::cli) struct CheckArgs {
    /// A directory with files `*.cedar`, or one file, instead of `policies.directory`.
    path: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) fn run(args: &CheckArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let settings = args.settings.clone();
    let settings = match &args.path {
        Some(path) => settings.with("policies.directory", path.display().to_string()),
        None => settings,
    };
    let read = read(&settings, environment)?;
    warn(&read.warnings(), terminal);
    let policies = Arc::clone(&read.in_force().borrow());
    terminal.print(&format!("{} policies are valid, {} of them built in", policies.count(), policies.built_in_count()))
}
