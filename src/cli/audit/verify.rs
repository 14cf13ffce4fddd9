//! `audit verify`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;

use super::line::Line;
use super::unread;
use crate::cli::configuration::load_offline;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::settings::SettingArgs;
use crate::cli::store::open_beside;
use crate::cli::terminal::Terminal;
use crate::domain::audit_chain::{BrokenChain, ChainCheck, ChainHash, Cut, Seal, SealVerdict};
use crate::domain::audit_filter::AuditFilter;
use crate::domain::change_event::Position;
use crate::ports::store::AuditLog;
use crate::server::{OperatorFile, audit_key};
use crate::signing::PublicKeys;
use crate::store::SqlStore;

const NOTES: &str = "\
An attacker with the rights of the service can remove the newest ranges together with their checkpoints. An export that
was taken before and is kept elsewhere shows that: --contains.

Examples:
  credentiald audit verify --config /etc/credentiald/credentiald.toml --contains last-week.jsonl
  credentiald audit verify audit.jsonl --public-key audit.pub";

/// Check that the audit log is complete and unaltered, up to its last checkpoint.
///
/// Finds any event that was removed, altered, moved or inserted, and names the first bad range. Checks an exported file,
/// or the store; the service may be running. With a public key, all of the log must also be signed. Exit status 1 if
/// something is wrong.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(in crate::cli) struct VerifyArgs {
    /// Exported file to check. Default: the store.
    file: Option<PathBuf>,
    /// File with public keys of the log in PEM. Can be given several times, for keys that were replaced. Default: for the
    /// store, the key of `audit.signing_key_file`.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// An earlier export: the log must still contain its last range, unless it was removed because of its age, which only a
    /// public key proves.
    #[arg(long, value_name = "FILE")]
    contains: Option<PathBuf>,
    /// Position up to which the log may be unsigned, because the signing key was set later.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    unsigned_up_to: u64,
    #[command(flatten)]
    settings: SettingArgs,
}

/// The end of an earlier export.
type End = (Position, ChainHash);

pub(super) async fn run(args: &VerifyArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut keys = PublicKeys::default();
    for path in &args.public_key {
        let text = OperatorFile::read(path).map_err(Failure::failed)?.text;
        keys.add_pem(&text).map_err(|error| Failure::failed(format!("{} {error}", path.display())))?;
    }
    let unsigned = Position(args.unsigned_up_to);
    let earlier = match &args.contains {
        Some(path) => {
            let check = check_file(path, &Seals { keys: &keys, unsigned }, None)?;
            Some((check.last, check.hash))
        }
        None => None,
    };
    let report = if let Some(path) = &args.file {
        check_file(path, &Seals { keys: &keys, unsigned }, earlier)?
    } else {
        let config = load_offline(&args.settings, environment)?.config;
        if keys.is_empty()
            && let Some(key) = audit_key(&config.audit).map_err(Failure::failed)?
        {
            keys = key.public();
        }
        let store = open_beside(&config).await?;
        let checked = check_store(&store, &Seals { keys: &keys, unsigned }, earlier).await;
        store.close().await;
        checked?
    };
    terminal.print(&summary(&report, &keys)?)
}

/// What was checked, if it proves something: without a public key, a cut proves nothing, as an attacker can move it.
fn summary(report: &Report, keys: &PublicKeys) -> Result<String, Failure> {
    let Report { events, ranges, last, sealed, uncompared, .. } = report;
    if let Some(end) = uncompared.filter(|_| keys.is_empty()) {
        return Err(Failure::failed(format!(
            "the earlier export ends at position {}, in a part that was removed: without a public key nothing shows that this \
             was because of its age",
            end.0
        )));
    }
    let signed = if keys.is_empty() {
        "no public key was given: signatures were not checked".to_owned()
    } else {
        format!("signed up to position {}", sealed.0)
    };
    let compared = uncompared.map_or_else(String::new, |end| {
        format!("; the earlier export ends at position {}, in a part that was removed: it was not compared", end.0)
    });
    Ok(format!("sound: {events} events in {ranges} ranges, up to position {}; {signed}{compared}", last.0))
}

/// How seals are checked.
struct Seals<'a> {
    keys: &'a PublicKeys,
    /// Up to this position a seal may be missing.
    unsigned: Position,
}

impl Seals<'_> {
    /// Begins a check after a cut.
    fn begin(
        &self,
        cut: &Cut,
        earlier: Option<End>,
    ) -> Result<Walk<impl Fn(&[u8], &Seal) -> SealVerdict + use<'_>>, Failure> {
        let sealed_after = (!self.keys.is_empty()).then_some(self.unsigned);
        let check = ChainCheck::after(cut, sealed_after, |bytes: &[u8], seal: &Seal| self.keys.verdict(bytes, seal));
        let check = check.map_err(Failure::failed)?;
        let uncompared = earlier.map(|(last, _)| last).filter(|last| *last < cut.last);
        let earlier = if uncompared.is_none() { earlier } else { None };
        let mut walk = Walk { check, earlier, uncompared };
        walk.pass()?;
        Ok(walk)
    }
}

/// What a check found.
#[derive(Debug)]
struct Report {
    events: u64,
    ranges: u64,
    last: Position,
    hash: ChainHash,
    sealed: Position,
    /// The end of the earlier export, if that part of the log was removed.
    uncompared: Option<Position>,
}

/// A check of a chain, and whether it came past the end of an earlier export.
struct Walk<F> {
    check: ChainCheck<F>,
    earlier: Option<End>,
    uncompared: Option<Position>,
}

impl<F: Fn(&[u8], &Seal) -> SealVerdict> Walk<F> {
    fn pass(&mut self) -> Result<(), Failure> {
        match self.earlier {
            Some((last, hash)) if last == self.check.last && hash != self.check.hash => {
                Err(Failure::failed(format!("the log differs from the earlier export at position {}", last.0)))
            }
            Some((last, _)) if last == self.check.last => {
                self.earlier = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<Report, Failure> {
        if let Some((last, _)) = self.earlier {
            let text = format!("the log ends before, or has no range that ends at, position {} of the export", last.0);
            return Err(Failure::failed(text));
        }
        let ChainCheck { events, ranges, last, hash, sealed, .. } = self.check.end().map_err(Failure::failed)?;
        Ok(Report { events, ranges, last, hash, sealed, uncompared: self.uncompared })
    }
}

fn check_file(path: &Path, seals: &Seals<'_>, earlier: Option<End>) -> Result<Report, Failure> {
    let file = File::open(path).map_err(|error| Failure::caused(format!("can't open {}", path.display()), &error))?;
    let checked = check_lines(BufReader::new(file), seals, earlier);
    checked.map_err(|failure| Failure::of(failure.kind(), format!("{}: {}", path.display(), failure.message())))
}

fn check_lines(mut input: impl BufRead, seals: &Seals<'_>, earlier: Option<End>) -> Result<Report, Failure> {
    let (mut walk, mut events, mut number) = (None, Vec::new(), 0_u64);
    loop {
        let mut text = String::new();
        number += 1;
        let bad = |problem: &str| Failure::failed(format!("line {number}: {problem}"));
        if input.read_line(&mut text).map_err(|error| bad(&format!("can't be read: {error}")))? == 0 {
            break;
        }
        let text = text.strip_suffix('\n').ok_or_else(|| bad("is cut off"))?;
        let altered = || bad("is not a line of an export, or was altered");
        match (Line::read(text).ok_or_else(altered)?, &mut walk) {
            (Line::Cut(line), None) => {
                let cut = line.cut().ok_or_else(altered)?;
                walk = Some(seals.begin(&cut, earlier)?);
            }
            (Line::Event(line), Some(_)) => events.push((Position(line.position), line.fields)),
            (Line::Checkpoint(line), Some(walk)) => {
                let checkpoint = line.checkpoint().ok_or_else(altered)?;
                walk.check.range(&checkpoint, &std::mem::take(&mut events)).map_err(Failure::failed)?;
                walk.pass()?;
            }
            _ => return Err(bad("is in the wrong place")),
        }
    }
    match walk {
        Some(_) if !events.is_empty() => Err(Failure::failed("the file ends within a range")),
        Some(walk) => walk.end(),
        None => Err(Failure::failed("the file is empty")),
    }
}

async fn check_store(store: &SqlStore, seals: &Seals<'_>, earlier: Option<End>) -> Result<Report, Failure> {
    loop {
        let cut = store.audit_cut().await.map_err(unread)?;
        let checked = check_after(store, &cut, seals, earlier).await;
        // What was removed because of its age meanwhile is missing, and not lost.
        if checked.is_ok() || store.audit_cut().await.map_err(unread)? == cut {
            return checked;
        }
    }
}

async fn check_after(store: &SqlStore, cut: &Cut, seals: &Seals<'_>, earlier: Option<End>) -> Result<Report, Failure> {
    let mut walk = seals.begin(cut, earlier)?;
    let (mut first_unreadable, mut unreadable) = (None, 0);
    let all = AuditFilter::default();
    let outside = |position: Position| {
        let problem = "the event is in no range";
        Failure::failed(BrokenChain::Range { first: position.0, last: position.0, problem })
    };
    let first = store.audit_events(&all, Position(0), 1).await.map_err(unread)?;
    if let Some((position, _)) = first.events.first().filter(|(position, _)| *position <= cut.last) {
        return Err(outside(*position));
    }
    loop {
        while let Some(range) = store.audit_range(walk.check.last).await.map_err(unread)? {
            walk.check.range(&range.checkpoint, &range.events).map_err(Failure::failed)?;
            walk.pass()?;
            first_unreadable = first_unreadable.or(range.unreadable.first().copied());
            unreadable += range.unreadable.len();
        }
        // What is beyond the last checkpoint may have got one meanwhile.
        let beyond = store.audit_events(&all, walk.check.last, 1).await.map_err(unread)?;
        match beyond.events.first() {
            None => {
                return walk.end().and_then(|report| match first_unreadable {
                    None => Ok(report),
                    Some(Position(first)) => Err(Failure::failed(format!(
                        "the chain is sound, but events can't be read ({unreadable}, the first at position {first}): \
                     `audit export` shows what is stored"
                    ))),
                });
            }
            Some((position, _)) if beyond.kept.last <= walk.check.last => return Err(outside(*position)),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
