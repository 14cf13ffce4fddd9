//! `rotate`: new passwords for many subjects.
//!
//! For each batch: the new passwords are stored at their destination, then the changes are sent, then the destination is told
//! which passwords are in force. The state file records each step. A process that is killed anywhere leaves a batch that the
//! next one goes on with, with the passwords that are at the destination and the client token of the run, so that nothing
//! happens twice.

mod calls;
mod destination;
mod overlaps;
mod pace;
mod progress;
mod run;
mod selection;
mod state;
mod subject;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use clap::Args;

use super::admin::refusal;
use super::caller::{CallerArgs, Service};
use super::connection::administration;
use super::environment::Environment;
use super::failure::Failure;
use super::terminal::Terminal;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::domain::overlap::LONGEST_OVERLAP;
use crate::ports::{Clock, Entropy};
use calls::Calls;
use destination::DestinationArgs;
use pace::{Pace, PaceArgs};
use run::{Readiness, Run, Tally};
use selection::{Found, Selection, Walk};
use state::{State, Step, Wanted};
use subject::Subject;

const AGAIN: &str = "what is done stays; run the same command again to continue";

const NOTES: &str = "\
A password is stored at its destination before it is set, as pending, and marked as set afterwards. The state file
holds no password. With it, the same command continues a run that was interrupted, and does nothing after one that is
complete: no subject gets a second password. `docs/rotating-fleets.md` shows how.

Exit status: 0 done; 1 a change failed, or a pending password may be in force; 2 usage; 75 the service is away, or
old passwords are still in use.

Examples:
  credentiald rotate --kind instance-account --instance-id r-1 --dry-run
  credentiald rotate --kind instance-account --instance-id r-1 --overlap-seconds 86400 --state r.state --file r.jsonl
  credentiald rotate --end-overlaps --state r.state
  credentiald rotate --kind mail-domain --older-than 90 --again --state m.state --vault https://bao:8200 \\
      --vault-token-file bao.token";

/// Give many subjects new passwords that are generated.
///
/// Calls a running service as an administrator. The new passwords go to a file, to standard output, to OpenBao or HashiCorp
/// Vault, or into a manifest of a Secret of Kubernetes.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    destination: DestinationArgs,
    /// File with the state of the run. It is created if it does not exist.
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    state: Option<PathBuf>,
    /// Check everything, and change nothing.
    #[arg(long, conflicts_with_all = ["end_overlaps", "state", "again"])]
    dry_run: bool,
    /// Begin another run if the one in the state file is complete.
    #[arg(long, conflicts_with = "end_overlaps")]
    again: bool,
    /// Keep the previous passwords valid for at least this many seconds, up to 604800. Only for mail domains and accounts of
    /// instances.
    #[arg(long, value_name = "SECONDS", conflicts_with = "end_overlaps",
        value_parser = clap::value_parser!(u32).range(1..=LONGEST_OVERLAP.as_secs() as i64))]
    overlap_seconds: Option<u32>,
    /// Stop after this many failed changes.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, conflicts_with = "end_overlaps",
        value_parser = clap::value_parser!(u32).range(1..))]
    max_failures: u32,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    ending: EndingArgs,
    #[command(flatten)]
    caller: CallerArgs,
}

/// The second step.
#[derive(Debug, Args)]
struct EndingArgs {
    /// End the overlaps of a run where the old passwords are no longer used.
    #[arg(long, requires = "state", conflicts_with_all = ["destination", "kinds"], help_heading = "Second step")]
    end_overlaps: bool,
    /// Seconds for which an old password must not have been used.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        requires = "end_overlaps",
        help_heading = "Second step"
    )]
    unused_for: u32,
    /// Keep looking for this many seconds while old passwords are in use.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true,
        requires = "end_overlaps",
        help_heading = "Second step"
    )]
    wait: u32,
}

pub(super) async fn run(args: &RotateArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    if let Some(problem) = args.selection.problem() {
        return Err(Failure::usage(problem.to_owned()));
    }
    if args.overlap_seconds.is_some() && !args.selection.kinds().iter().all(|kind| kind.has_overlaps()) {
        let problem = "only mail domains and accounts of instances have overlaps: leave out --overlap-seconds";
        return Err(Failure::usage(problem.to_owned()));
    }
    match &args.state {
        Some(path) if args.ending.end_overlaps => {
            let state = State::open(path)?;
            let Some((_, wanted)) = state.run() else {
                return Err(Failure::usage(format!("{} holds no run", path.display())));
            };
            let calls = calls(args.caller.service(environment)?, wanted.selection.tenant()).await?;
            let [unused_for, wait] =
                [args.ending.unused_for, args.ending.wait].map(|seconds| Duration::from_secs(seconds.into()));
            overlaps::end(&calls, &state, unused_for, wait, terminal).await
        }
        Some(path) => {
            let destination = args.destination.name()?.ok_or_else(|| {
                Failure::usage("say where the passwords go: --file, --stdout, --vault or --manifest".to_owned())
            })?;
            let state = State::open(path)?;
            let (calls, selection) = args.begin(environment).await?;
            let wanted = Wanted { selection, destination, overlap_seconds: args.overlap_seconds };
            args.rotate(state, &calls, wanted, terminal).await
        }
        None => {
            let (calls, selection) = args.begin(environment).await?;
            args.try_out(&calls, &selection, terminal).await
        }
    }
}

async fn calls(service: Service, tenant: &str) -> Result<Calls, Failure> {
    let (channel, authorization) = service.connect().await?;
    Ok(Calls { client: administration(channel), authorization, tenant: tenant.to_owned() })
}

impl RotateArgs {
    /// The connection, and the selection with its tenant, if there is a default.
    async fn begin(&self, environment: &Environment) -> Result<(Calls, Selection), Failure> {
        let service = self.caller.service(environment)?;
        let mut selection = self.selection.clone();
        selection.tenant = selection.tenant.or_else(|| service.tenant().map(str::to_owned));
        Ok((calls(service, selection.tenant()).await?, selection))
    }

    async fn find(&self, calls: &Calls, selection: &Selection, terminal: &mut Terminal) -> Result<Found, Failure> {
        let now = SystemClock.now();
        let walk = Walk { client: calls.client.clone(), authorization: &calls.authorization, selection, now };
        let found = walk.find().await.map_err(|status| refusal::failure(&status))?;
        let names: Vec<_> = found.selected.iter().map(|subject| &subject.name).collect();
        self.destination.check(selection.tenant.as_deref(), &names)?;
        for algorithm in selection.absent_algorithms(&found) {
            let others = found.algorithms.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            terminal.complain(&format!("no password is hashed by {algorithm:?}; there are: {others}"));
        }
        Ok(found)
    }

    fn run_of<'a>(&self, calls: &'a Calls, id: String, continues: bool, sent: HashSet<Subject>) -> Run<'a> {
        Run {
            calls,
            id,
            continues,
            sent,
            overlap_seconds: self.overlap_seconds,
            pace: Pace::of(&self.pace, self.dry_run),
            max_failures: self.max_failures as usize,
            failures: AtomicUsize::new(0),
            is_ended: AtomicBool::new(false),
        }
    }

    async fn rotate(
        &self,
        mut state: State,
        calls: &Calls,
        wanted: Wanted,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let tenant = wanted.selection.tenant.clone();
        let is_complete = state.run().is_some() && state.open_subjects().is_empty();
        let continues = state.run().is_some() && !(is_complete && self.again);
        let mut begun = None;
        if continues {
            if state.run().is_some_and(|(_, of)| *of != wanted) {
                return Err(Failure::usage(
                    "the state file is of a run with other arguments: finish that one, or name another file".to_owned(),
                ));
            }
        } else {
            let found = self.find(calls, &wanted.selection, terminal).await?;
            if found.without_password > 0 {
                terminal.complain(&format!("{} subjects have no password here", found.without_password));
            }
            begun = Some((wanted, found.selected));
        }
        let id =
            state.run().filter(|_| continues).map_or_else(|| SystemEntropy.id().to_string(), |(id, _)| id.to_owned());
        let as_marked = destination::Run { id: &id, tenant: tenant.as_deref() };
        let mut destination = self.destination.open(as_marked, continues)?;
        // After the destination is open: one that is refused costs no state of an earlier run.
        if let Some((wanted, subjects)) = begun {
            state.begin(id.clone(), wanted, subjects)?;
        }
        let run = self.run_of(calls, id.clone(), continues, state.sent());
        let tally =
            run.rotate(&mut state, &mut destination, terminal).await.map_err(|failure| failure.with_line(AGAIN))?;
        let left = state.open_subjects().len();
        let line = format!("{}, to go {left}", tally.line());
        if self.destination.is_printed() {
            terminal.complain(&line);
        } else {
            terminal.print(&line)?;
        }
        let unconfirmed: Vec<_> = state.unconfirmed().map(ToString::to_string).collect();
        match (tally.failed, &unconfirmed[..]) {
            (0, []) => Ok(()),
            (0, names) => {
                let failure =
                    Failure::failed(format!("the pending password may be the one in force: {}", names.join(", ")));
                Err(failure.with_line("see which one is, and begin another run with --again"))
            }
            (failed, _) => Err(Failure::failed(format!("{failed} changes failed")).with_line(AGAIN)),
        }
    }

    /// Checks every subject as far as that is possible without changing it.
    async fn try_out(&self, calls: &Calls, selection: &Selection, terminal: &mut Terminal) -> Result<(), Failure> {
        let found = self.find(calls, selection, terminal).await?;
        let run = self.run_of(calls, String::new(), false, HashSet::new());
        let mut tally = Tally::default();
        for subject in &found.selected {
            let step = match run.readiness(subject).await? {
                Readiness::Ready(_) => Step::Rotated(subject.version),
                Readiness::Step(step) => step,
            };
            tally.add(&step);
            match step.reason() {
                Some(reason) => terminal.print(&format!("{}: {reason}", subject.name))?,
                None => terminal.print(&subject.name.to_string())?,
            }
        }
        let Tally { rotated, left, failed } = tally;
        terminal.print(&format!(
            "dry run: would rotate {rotated}, leave {left}, fail {failed}; without a password {}",
            found.without_password
        ))?;
        if failed == 0 { Ok(()) } else { Err(Failure::failed(format!("{failed} changes would fail"))) }
    }
}

impl Tally {
    fn line(&self) -> String {
        let Self { rotated, left, failed } = self;
        format!("rotated {rotated}, left {left}, failed {failed}")
    }
}

/// Opens a file again for a test. A process that another test is starting may hold its lock until it runs its program.
#[cfg(test)]
fn opened_again<T>(open: impl Fn() -> Result<T, Failure>) -> T {
    let tried = (0..100_000).find_map(|_| {
        std::thread::yield_now();
        open().ok()
    });
    tried.unwrap()
}
