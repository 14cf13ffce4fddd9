//! `backup` and `restore`.

use std::fs;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::configuration::load_offline;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::signals::asked_to_end;
use super::store::{pepper, ring};
use super::terminal::Terminal;
use crate::ambient::SystemClock;
use crate::domain::time::Timestamp;
use crate::hashing::KeyRing;
use crate::ports::{Clock, Pepper};
use crate::server::location;
use crate::store::Location;
use crate::store::sqlite::{self, BackupError};

/// Copy the embedded store into a file. The service may be running.
///
/// The copy is consistent as of one moment. It is read back completely before it gets its name, or before the first byte is
/// written to standard output. Keep it as secret as the store itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald backup --config /etc/credentiald/credentiald.toml /backup/monday.db
  credentiald backup --config /etc/credentiald/credentiald.toml --keep 14 /backup
  credentiald backup --config /etc/credentiald/credentiald.toml - | age -r KEY > monday.db.age")]
pub(super) struct BackupArgs {
    /// File to write, which must not exist yet. `-` means standard output. With --keep, a folder.
    file: PathBuf,
    /// Name the backup after its time, and keep only this many of the backups with such names in the folder: this one and the
    /// newest others.
    #[arg(long, value_name = "NUMBER")]
    keep: Option<NonZeroUsize>,
    #[command(flatten)]
    settings: SettingArgs,
}

/// Restore the embedded store from a backup.
///
/// The backup is read completely before anything is replaced. No process may have the store open: stop the service
/// first.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  credentiald restore --config /etc/credentiald/credentiald.toml --replace /backup/monday.db"
)]
pub(super) struct RestoreArgs {
    /// Backup file to restore.
    file: PathBuf,
    /// Replace an existing store. It is kept next to the new one, under another name.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn back_up(
    args: &BackupArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (store, ring) = embedded_store(&args.settings, environment)?;
    let pepper = pepper(&ring);
    if args.file == Path::new("-") {
        if args.keep.is_some() {
            return Err(Failure::usage("--keep needs a folder, and `-` is standard output".to_owned()));
        }
        if io::stdout().is_terminal() {
            return Err(Failure::usage("a backup is not written to a terminal: name a file, or pipe it".to_owned()));
        }
        return to_output(&store, pepper, terminal).await;
    }
    let name = named_after(SystemClock.now());
    let file = if args.keep.is_some() { args.file.join(&name) } else { args.file.clone() };
    let copied = unless_interrupted(sqlite::backup(&store, &file, pepper), NOTHING_COPIED).await?;
    let copied = copied.map_err(|error| Failure::caused("can't back up", &error))?;
    terminal.print(&format!("backed up to {}: {} rows, all read back", file.display(), copied.rows))?;
    if let Some(keep) = args.keep {
        remove_older(&args.file, &name, keep, terminal)?;
    }
    Ok(())
}

const NOTHING_COPIED: &str = "nothing is copied";

/// Copies a store, unless a signal ends the command first. The unfinished copy is removed then, and the failure says what that
/// means.
async fn unless_interrupted<T>(copied: impl Future<Output = T>, meaning: &str) -> Result<T, Failure> {
    let asked_to_end = asked_to_end()?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    tokio::select! {
        copied = copied => return Ok(copied),
        () = asked_to_end => {}
        _ = hung_up.recv() => {}
    }
    Err(Failure::failed(format!("interrupted by a signal: {meaning}")))
}

/// Writes a backup to standard output. Its reader may be slow.
async fn to_output(store: &Path, pepper: Option<&dyn Pepper>, terminal: &mut Terminal) -> Result<(), Failure> {
    let written = async {
        let copied = sqlite::backup_unnamed(store, pepper).await;
        let (mut file, rows) = copied.map_err(|error| Failure::caused("can't back up", &error))?;
        let written = terminal.write_apart(move |output| io::copy(&mut file, output)).await;
        written.map_err(|error| Failure::caused("can't back up", &error))?;
        Ok::<_, Failure>(rows)
    };
    let rows = unless_interrupted(written, "the output is no complete backup").await??;
    terminal.complain(&format!("backed up to standard output: {rows} rows, all read back"));
    Ok(())
}

/// The beginning and the end of the names of backups that are named after their time.
const NAME: (&str, &str) = ("credentiald-", ".db");

/// As in `credentiald-2026-11-29T08-00-00Z.db`: a later name is of a later backup.
fn named_after(time: Timestamp) -> String {
    let time = prost_types::Timestamp { seconds: time.as_seconds(), nanos: 0 };
    format!("{}{}{}", NAME.0, time.to_string().replace(':', "-"), NAME.1)
}

/// Whether a file has the name of such a backup.
fn is_named_after_time(name: &str) -> bool {
    let time = name.strip_prefix(NAME.0).and_then(|rest| rest.strip_suffix(NAME.1));
    let shape = |time: &str| {
        let digits = |character: char| if character.is_ascii_digit() { '0' } else { character };
        time.chars().map(digits).collect::<String>() == "0000-00-00T00-00-00Z"
    };
    time.is_some_and(shape)
}

/// Removes the oldest backups in a folder until `keep` are left, and nothing else. The one just made stays, also if the
/// clock was ahead before and others have later names.
fn remove_older(folder: &Path, made: &str, keep: NonZeroUsize, terminal: &mut Terminal) -> Result<(), Failure> {
    let cant = |error: &io::Error| {
        Failure::caused(format!("the backup is made, but older ones in {} can't be removed", folder.display()), error)
    };
    let entries =
        fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|error| cant(&error))?;
    let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
    let mut backups: Vec<String> = names.filter(|name| is_named_after_time(name) && name != made).collect();
    backups.sort_unstable_by(|one, other| other.cmp(one));
    for name in backups.iter().skip(keep.get() - 1) {
        fs::remove_file(folder.join(name)).map_err(|error| cant(&error))?;
        terminal.print(&format!("removed {name}"))?;
    }
    Ok(())
}

pub(super) async fn restore(
    args: &RestoreArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (store, ring) = embedded_store(&args.settings, environment)?;
    let restored = sqlite::restore(&args.file, &store, args.replace, pepper(&ring));
    let copied = unless_interrupted(restored, NOTHING_COPIED).await?;
    let copied = copied.map_err(|error| match error {
        BackupError::Exists(path) => {
            Failure::failed(format!("{} already exists: use --replace to replace it", path.display()))
        }
        error => Failure::caused("can't restore", &error),
    })?;
    if let Some(replaced) = copied.replaced {
        terminal.complain(&format!("the replaced store is kept as {}", replaced.display()));
    }
    terminal.print(&format!("restored to {}: {} rows", store.display(), copied.rows))
}

/// The file of the embedded store, and the pepper key ring.
fn embedded_store(args: &SettingArgs, environment: &Environment) -> Result<(PathBuf, KeyRing), Failure> {
    let config = load_offline(args, environment)?.config;
    match location(&config).map_err(Failure::failed)? {
        Location::Sqlite(path) => Ok((path, ring(&config)?)),
        #[cfg(feature = "postgres")]
        Location::Postgres(..) => {
            Err(Failure::failed("the store is in PostgreSQL: use its own pg_dump or pg_basebackup, and pg_restore"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_named_after_their_time_and_only_those_are_found() {
        let name = named_after(Timestamp::from_micros(1_795_939_200_999_999));
        assert_eq!(name, "credentiald-2026-11-29T08-00-00Z.db");
        assert!(is_named_after_time(&name));
        for other in [
            "credentiald.db",
            "credentiald-monday.db",
            "credentiald-2026-11-29T08-00-00Z.db-wal",
            "credentiald-2026-11-29T08-00-00Z.db.new-1",
            "my-credentiald-2026-11-29T08-00-00Z.db",
            "credentiald-2026-11-29T08:00:00Z.db",
        ] {
            assert!(!is_named_after_time(other), "{other}");
        }
    }
}
