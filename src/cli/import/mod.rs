//! `import`.

mod progress;
mod row;
mod source;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;

use clap::{Args, ValueEnum};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::admin::refusal;
use super::caller::CallerArgs;
use super::environment::Environment;
use super::failure::Failure;
use super::file_format::Format;
use super::terminal::Terminal;
use crate::domain::text::printable;
use crate::grpc::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::grpc::generated::credential::admin::v1::{
    ImportCredentialsRequest, ImportCredentialsResponse, ImportOptions,
};
use progress::Progress;
use row::column;
use source::{Batches, Rows};

/// Batches that are read ahead of the service.
const READ_AHEAD: usize = 2;
/// Larger than the response can be.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

const NOTES: &str = "\
Columns: tenant, kind (mail-domain, ram-user, iam-user or instance-account), name, instance, region, status, user_name,
tags, hash, change_time. Rows are sent in batches, each of which is stored as a whole or not at all. Existing
subjects are not changed, so an interrupted import can be completed by running it again.

Example:
  credentiald import users.csv --dry-run";

/// Import subjects with hashes that other systems made, from JSON lines or CSV.
///
/// Calls a running service. Exit status 1 if a row is refused. Reports each refused row with all of its problems.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct ImportArgs {
    /// File to read. `-` is standard input.
    file: PathBuf,
    /// Format of the file. Default: CSV if its name ends in `.csv`, otherwise JSON lines.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Check everything as usual, but store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave subjects alone that exist with another hash or other attributes, instead of refusing their rows.
    #[arg(long)]
    skip_existing: bool,
    /// What the other system does with a password before it hashes it, for all rows. No hash shows it.
    #[arg(long, value_name = "SYSTEM")]
    pre_hash: Option<PreHash>,
    /// Number of the first row to import. Rows before it are skipped.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, hide_default_value = true)]
    from_row: u64,
    #[command(flatten)]
    caller: CallerArgs,
}

/// A system that changes passwords before it hashes them.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PreHash {
    /// SHA-512 in base64 before bcrypt, for passwords of more than 72 bytes.
    Symfony,
    /// SHA-512 before bcrypt, for passwords of more than 72 bytes.
    Bun,
    /// SHA-256 in hexadecimal before bcrypt, with `BCRYPT_HANDLE_LONG_PASSWORDS`.
    FlaskBcrypt,
}

impl PreHash {
    /// What the service reads before a hash.
    const fn mark(self) -> &'static str {
        match self {
            Self::Symfony => "{symfony}",
            Self::Bun => "{bun}",
            Self::FlaskBcrypt => "{flask-bcrypt}",
        }
    }
}

pub(super) async fn run(args: &ImportArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let (input, bytes) = open(&args.file)?;
    let progress = Progress::new(bytes);
    let rows =
        Rows::new(Box::new(BufReader::new(progress.reading(input))), args.format.unwrap_or(Format::of(&args.file)))?;
    let (channel, authorization) = args.caller.connect(environment).await?;
    let mut client = AdminServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES);

    let (sender, batches) = mpsc::channel(READ_AHEAD);
    let (ended, end) = oneshot::channel();
    let (from_row, before_hashes) = (args.from_row, args.pre_hash.map_or("", PreHash::mark).to_owned());
    // Not a task of the runtime, which would wait for it: a pipe may never end.
    thread::spawn(move || ended.send(read(Batches::new(rows, from_row, before_hashes), &sender)));
    let options = ImportOptions { dry_run: args.dry_run, skip_existing: args.skip_existing };
    let options = ImportCredentialsRequest { options: Some(options), rows: Vec::new() };
    let sent = progress.clone();
    let batches = ReceiverStream::new(batches).map(move |batch| {
        sent.add_rows(batch.rows.len());
        batch
    });
    let mut request = Request::new(tokio_stream::once(options).chain(batches));
    authorization.apply(&mut request);

    let answered = progress.watch(terminal, client.import_credentials(request)).await;
    let response = answered.map_err(|status| {
        let again = "what was imported stays; run the same command again to go on";
        Failure::failed(format!("{}\n  {again}", refusal::text(&status)))
    })?;
    end.await.map_err(Failure::failed)??;
    report(&response.into_inner(), args.dry_run, terminal)
}

/// Reads batches and sends them to the channel, as fast as it takes them.
fn read(batches: Batches, sender: &mpsc::Sender<ImportCredentialsRequest>) -> Result<(), Failure> {
    for rows in batches {
        let message = ImportCredentialsRequest { options: None, rows: rows? };
        if sender.blocking_send(message).is_err() {
            // The call has ended, and reports why.
            break;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let open = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        io::Result::Ok((file, metadata.is_file().then_some(metadata.len())))
    };
    let (file, bytes) = open().map_err(|error| Failure::caused(format!("can't read {}", path.display()), &error))?;
    Ok((Box::new(file), bytes))
}

/// Prints each problem of a refused row on a line of its own, then the totals.
fn report(response: &ImportCredentialsResponse, dry_run: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    for row in &response.refused_rows {
        for problem in &row.problems {
            let column = column(&problem.field).map(|column| format!("{column}: ")).unwrap_or_default();
            let line = format!("row {}: {column}{} ({})", row.row_number, problem.description, problem.reason);
            terminal.print(&printable(&line))?;
        }
    }
    if response.refused_rows_left_out > 0 {
        terminal.print(&format!("and {} more refused rows", response.refused_rows_left_out))?;
    }
    let ImportCredentialsResponse { imported, unchanged, skipped, refused, held_back, .. } = response;
    let prefix = if dry_run { "dry run: " } else { "" };
    terminal.print(&format!(
        "{prefix}imported {imported}, unchanged {unchanged}, skipped {skipped}, refused {refused}, held back with them {held_back}"
    ))?;
    match refused {
        0 => Ok(()),
        1 => Err(Failure::failed("1 row was refused")),
        _ => Err(Failure::failed(format!("{refused} rows were refused"))),
    }
}
