//! `completions`.

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::terminal::Terminal;

/// Print a script with which a shell completes commands and flags.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald completions bash > /etc/bash_completion.d/credentiald")]
pub(super) struct CompletionsArgs {
    /// Shell to print the script for.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, command: &mut Command, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "credentiald", &mut script);
    terminal.print(String::from_utf8_lossy(&script).trim_end())
}
