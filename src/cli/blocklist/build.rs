//! `blocklist build`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::described;
use crate::ambient::SystemClock;
use crate::blocklist::{Builder, Digest, ListError, ListFormat};
use crate::cli::failure::Failure;
use crate::cli::progress::styled;
use crate::cli::terminal::Terminal;
use crate::ports::Clock;

/// Build a filter from lists of refused passwords.
///
/// The lists may have any length and any order; about 300 MiB of memory are used. The filter replaces an earlier one
/// when it is complete, and a running service reads it within seconds. The build needs six more bytes on the
/// disk for each line, and twice that at the end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald blocklist build common.txt --output /etc/credentiald/refused.filter
  credentiald blocklist build common.txt --sha1 pwned.txt --output /etc/credentiald/refused.filter")]
pub(in crate::cli) struct BuildArgs {
    /// Lists of passwords, one per line, in UTF-8.
    #[arg(value_name = "FILE", required_unless_present_any = ["sha1", "ntlm"])]
    plain: Vec<PathBuf>,
    /// List of SHA-1 digests, as they are published: HASH or HASH:COUNT per line. Can be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "ntlm")]
    sha1: Vec<PathBuf>,
    /// List of NTLM digests, as they are published: HASH or HASH:COUNT per line. Can be repeated.
    #[arg(long, value_name = "FILE")]
    ntlm: Vec<PathBuf>,
    /// Refuse the passwords in any case. Not for lists of digests.
    #[arg(long, conflicts_with_all = ["sha1", "ntlm"])]
    fold_case: bool,
    /// File to write the filter to.
    #[arg(long, value_name = "FILTER")]
    output: PathBuf,
}

pub(super) fn run(args: &BuildArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let digest = if args.ntlm.is_empty() { Digest::Sha1 } else { Digest::Ntlm };
    let failed = |path: &Path, error: &ListError| Failure::failed(format_args!("{}: {error}", path.display()));
    let mut builder = Builder::new(digest, args.fold_case, &args.output)
        .map_err(|error| failed(&args.output, &ListError::Io(error)))?;
    let plain = args.plain.iter().map(|path| (path, ListFormat::Plain));
    let digests = args.sha1.iter().chain(&args.ntlm).map(|path| (path, ListFormat::Digests));
    for (path, format) in plain.chain(digests) {
        add(&mut builder, path, format).map_err(|error| failed(path, &error))?;
    }
    let built_at = u64::try_from(SystemClock.now().as_seconds()).unwrap_or_default();
    let header = builder.finish(built_at).map_err(|error| failed(&args.output, &error))?;
    terminal.print(&described(&header))
}

fn add(builder: &mut Builder, path: &Path, format: ListFormat) -> Result<(), ListError> {
    let file = File::open(path)?;
    let bar = styled(ProgressBar::new(file.metadata()?.len()), "{bar:30} {bytes}/{total_bytes}, {eta} left");
    let added = builder.add(BufReader::with_capacity(1 << 20, bar.wrap_read(file)), format);
    bar.finish_and_clear();
    added
}
