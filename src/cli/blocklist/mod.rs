//! `blocklist`: long lists of refused passwords.

mod build;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::terminal::Terminal;
use crate::blocklist::{Filter, Header};

#[derive(Debug, Subcommand)]
pub(super) enum BlocklistCommand {
    Build(build::BuildArgs),
    Show(ShowArgs),
}

/// Verify a filter and show what it holds.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  credentiald blocklist show /etc/credentiald/refused.filter")]
pub(super) struct ShowArgs {
    /// The filter.
    #[arg(value_name = "FILTER")]
    filter: PathBuf,
}

pub(super) fn run(command: &BlocklistCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    match command {
        BlocklistCommand::Build(args) => build::run(args, terminal),
        BlocklistCommand::Show(args) => {
            let filter = Filter::open(&args.filter)
                .map_err(|problem| Failure::failed(format_args!("{} {problem}", args.filter.display())))?;
            terminal.print(&described(filter.header()))
        }
    }
}

fn described(header: &Header) -> String {
    let seconds = i64::try_from(header.built_at).unwrap_or(i64::MAX);
    let built = prost_types::Timestamp { seconds, nanos: 0 };
    let case = if header.folds_case { "makes no difference" } else { "matters" };
    let rate = header.false_positive_rate();
    let (entries, digest) = (header.entries, header.digest.name());
    format!("entries {entries}\ndigest {digest}\ncase {case}\nbuilt {built}\nfalse positives {rate:.1e}")
}
