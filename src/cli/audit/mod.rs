//! `audit`: reads the audit log, and proves that it is complete and unaltered.

mod export;
mod line;
pub(super) mod list;
mod verify;

use clap::Subcommand;

use super::environment::Environment;
use super::failure::Failure;
use super::terminal::Terminal;
use crate::ports::StoreError;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    List(list::ListArgs),
    Tail(list::TailArgs),
    Export(export::ExportArgs),
    Verify(verify::VerifyArgs),
}

pub(super) async fn run(
    command: &AuditCommand,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        AuditCommand::List(args) => list::list(args, environment, terminal).await,
        AuditCommand::Tail(args) => list::tail(args, environment, terminal).await,
        AuditCommand::Export(args) => export::run(args, environment, terminal).await,
        AuditCommand::Verify(args) => verify::run(args, environment, terminal).await,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unread(error: StoreError) -> Failure {
    Failure::caused("can't read the audit log", &error)
}
