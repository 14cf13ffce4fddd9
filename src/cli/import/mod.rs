//! `import`.

mod offline;
mod progress;
mod report;
mod row;
mod source;
mod systems;

#[cfg(feature = "fuzzing")]
pub use systems::fuzzing;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use clap::{Args, ValueEnum};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::admin::refusal;
use super::caller::CallerArgs;
use super::configuration::load_offline;
use super::connection::administration;
use super::environment::Environment;
use super::failure::Failure;
use super::file_format::Format;
use super::terminal::Terminal;
use crate::grpc::generated::credential::admin::v1::{ImportCredentialsRequest, ImportOptions};
use crate::hashing::{EngineSettings, HashReader};
use crate::server::{engine_settings, import_keys};
use crate::service::requests::WithoutHash;
use progress::Progress;
use report::{Algorithms, report};
use source::{Batches, Rows};
use systems::FromSystem;

/// Batches that are read ahead of the service.
const READ_AHEAD: usize = 2;

const NOTES: &str = "\
Columns: tenant, kind (mail-domain, ram-user, iam-user or instance-account), name, instance, region, status, user_name,
tags, hash, change_time. The other columns of `credentiald export`, and its tenants and instances, are ignored.
Rows are sent in batches, each of which is stored as a whole or not at all. Existing
subjects are not changed, so an interrupted import can be completed by running it again.

With --from, rows are accounts in the file of another system; `docs/importing.md` lists the systems.

Exit status: 0 every row was imported, unchanged or skipped; 1 a row was refused, or the call failed; 2 usage;
75 the call failed, and may succeed later.

Examples:
  credentiald import users.csv --dry-run
  credentiald import realm.json --from keycloak --kind iam-user --map name=id --map user_name=username --dry-run";

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
    /// Check the file without a service, with the settings of --config. What the service already has is not checked.
    #[arg(long, requires = "dry_run", conflicts_with = "skip_existing")]
    offline: bool,
    #[command(flatten)]
    system: FromSystem,
    /// What the other system does with a password before it hashes it, for all rows. The hashes do not show it.
    #[arg(long, value_name = "SYSTEM")]
    pre_hash: Option<PreHash>,
    /// Number of the first row to import. Rows before it are skipped.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, hide_default_value = true)]
    from_row: u64,
    #[command(flatten)]
    options: OptionArgs,
    #[command(flatten)]
    caller: CallerArgs,
}

/// What is done with rows.
#[derive(Debug, Clone, Copy, Args)]
struct OptionArgs {
    /// Check everything as usual, but store nothing, and count the algorithms of the hashes.
    #[arg(long)]
    dry_run: bool,
    /// Leave subjects alone that exist with another hash or other attributes, instead of refusing their rows.
    #[arg(long)]
    skip_existing: bool,
    #[command(flatten)]
    without_hash: WithoutHashArgs,
}

/// What a row without a hash is.
#[derive(Debug, Clone, Copy, Args)]
struct WithoutHashArgs {
    /// Take a row without a hash (empty, `*`, or `!` with or without more) as a subject without a password, instead of
    /// refusing it.
    #[arg(long)]
    without_password: bool,
    /// Take a row with an empty hash as a subject whose password another system verifies, through the web hook of the service
    /// (`hook.url`), until it is verified for the first time.
    #[arg(long, conflicts_with = "without_password")]
    verify_elsewhere: bool,
}

impl From<WithoutHashArgs> for WithoutHash {
    fn from(args: WithoutHashArgs) -> Self {
        match (args.without_password, args.verify_elsewhere) {
            (_, true) => Self::Elsewhere,
            (true, false) => Self::NoPassword,
            (false, false) => Self::Refused,
        }
    }
}

impl From<OptionArgs> for ImportOptions {
    fn from(args: OptionArgs) -> Self {
        let OptionArgs { dry_run, skip_existing, without_hash } = args;
        let WithoutHashArgs { without_password, verify_elsewhere } = without_hash;
        Self { dry_run, skip_existing, without_password, verify_elsewhere }
    }
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
    /// HMAC-SHA-512 in base64, under the key of the service's first line for it.
    FlaskSecurity,
}

impl PreHash {
    /// What the service reads before a hash.
    const fn mark(self) -> &'static str {
        match self {
            Self::Symfony => "{symfony}",
            Self::Bun => "{bun}",
            Self::FlaskBcrypt => "{flask-bcrypt}",
            Self::FlaskSecurity => "{flask-security}",
        }
    }
}

pub(super) async fn run(args: &ImportArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let (input, bytes) = open(&args.file)?;
    let progress = Progress::new(bytes);
    let input = Box::new(BufReader::new(progress.reading(input)));
    let rows = match args.system.rows(input) {
        Ok(rows) => Rows::System(rows),
        Err(input) => Rows::new(input, args.format.unwrap_or(Format::of(&args.file)))?,
    };
    let algorithms = Algorithms::default();
    let batches = Batches::new(rows, args.from_row, args.pre_hash.map_or("", PreHash::mark).to_owned());
    if args.offline {
        let config = load_offline(&args.caller.settings(), environment)?.config;
        let import_keys = Arc::new(import_keys(&config.import).map_err(Failure::failed)?);
        let settings = engine_settings(&config).map_err(Failure::failed)?;
        let hashes = HashReader::of(&EngineSettings { import_keys, ..settings });
        let checked = offline::check(batches, &hashes, args.options.without_hash.into(), &algorithms)?;
        return report(&checked, Some(&algorithms), terminal);
    }
    let (channel, authorization) = args.caller.connect(environment).await?;
    let mut client = administration(channel);

    let (sender, sent) = mpsc::channel(READ_AHEAD);
    let (ended, end) = oneshot::channel();
    // Not a task of the runtime, which would wait for it: a pipe may never end.
    thread::spawn(move || ended.send(read(batches, &sender)));
    let options = ImportCredentialsRequest { options: Some(args.options.into()), rows: Vec::new() };
    let dry_run = args.options.dry_run.then_some(algorithms);
    let (shown, counted) = (progress.clone(), dry_run.clone());
    let batches = ReceiverStream::new(sent).map(move |batch| {
        shown.add_rows(batch.rows.len());
        if let Some(algorithms) = &counted {
            algorithms.count(&batch.rows);
        }
        batch
    });
    let mut request = Request::new(tokio_stream::once(options).chain(batches));
    authorization.apply(&mut request);

    let answered = progress.watch(terminal, client.import_credentials(request)).await;
    let again = "what was imported stays; run the same command again to continue";
    let response = answered.map_err(|status| refusal::failure(&status).with_line(again))?;
    end.await.map_err(Failure::failed)??;
    report(&response.into_inner(), dry_run.as_ref(), terminal)
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
