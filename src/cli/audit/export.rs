//! `audit export`.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::line::{EventLine, Line};
use super::unread;
use crate::cli::configuration::load_offline;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::new_file::NewFile;
use crate::cli::settings::SettingArgs;
use crate::cli::store::open_beside;
use crate::cli::terminal::Terminal;
use crate::domain::change_event::Position;
use crate::ports::store::{AuditLog, AuditRange};
use crate::store::SqlStore;

/// Export the audit log with its hash chain and signatures, as JSON lines.
///
/// Needs access to the store; the service may be running. Exports everything up to the last checkpoint, which is
/// about a second old. `audit verify FILE` checks the file anywhere, with nothing but the public key.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald audit export audit.jsonl --config /etc/credentiald/credentiald.toml")]
pub(in crate::cli) struct ExportArgs {
    /// File to write, which must not exist yet. `-`, the default, is standard output.
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &ExportArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let config = load_offline(&args.settings, environment)?.config;
    let store = open_beside(&config).await?;
    let exported = if args.file == Path::new("-") {
        export(&store, terminal.output()).await
    } else {
        export_to_file(&store, &args.file).await
    };
    store.close().await;
    exported
}

async fn export_to_file(store: &SqlStore, path: &Path) -> Result<(), Failure> {
    let mut file = NewFile::create(path)?;
    export(store, &mut file).await?;
    file.finish()
}

async fn export(store: &SqlStore, output: &mut dyn Write) -> Result<(), Failure> {
    let cut = store.audit_cut().await.map_err(unread)?;
    let mut last = cut.last;
    let mut lines = vec![Line::Cut((&cut).into())];
    loop {
        for line in lines {
            let text = line.text().map_err(Failure::failed)?;
            match writeln!(output, "{text}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(cant_write)?,
            }
        }
        let Some(AuditRange { checkpoint, events, .. }) = store.audit_range(last).await.map_err(unread)? else {
            return output.flush().map_err(cant_write);
        };
        if checkpoint.first > Position(last.0 + 1) && store.audit_cut().await.map_err(unread)?.last > last {
            return Err(Failure::failed("old events were removed meanwhile; run the command again"));
        }
        last = checkpoint.last;
        let event = |(position, fields): (Position, _)| Line::Event(EventLine { position: position.0, fields });
        lines = events.into_iter().map(event).collect();
        lines.push(Line::Checkpoint((&checkpoint).into()));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn cant_write(error: io::Error) -> Failure {
    Failure::caused("can't write the export", &error)
}
