//! What is promised, under faults: `credentiald`'s own binary on real stores, driven over real sockets while it is killed,
//! cut off, starved and lied to about the time, and what its clients saw afterwards checked.
//!
//! `cargo test` runs the short form. `cargo test --release --test faults -- --full` runs the full one and writes its
//! figures into `docs/reliability.md`; `--only` runs some sections, and `--seed` draws the same faults again.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unreachable,
    missing_docs,
    unreachable_pub,
    reason = "a test that can't go on should stop, and a harness reads clocks and prints"
)]

mod checker;
mod history;
mod ledger;
mod load;
mod moved_clock;
mod places;
mod publish;
mod random;
mod rotated;
mod run;
mod search;
mod sections;
mod sign_in_client;
mod sign_ins;
mod site;
#[path = "../it/support/mod.rs"]
mod support;
#[path = "../it/store/values.rs"]
#[allow(dead_code, reason = "shared with the laws of the store, which use all of it")]
mod values;
mod wire;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;

use run::{Form, Run, Verdict};
use sections::{Part, SECTIONS, Section};

/// How many parts of the short form run side by side: most of the time they wait.
const SIDE_BY_SIDE: usize = 4;

/// Shows what is left of the promises under faults.
#[derive(Debug, Parser)]
struct Arguments {
    /// With the numbers that the document states, which takes long. Use a release build.
    #[arg(long)]
    full: bool,
    /// Only these sections.
    #[arg(long, value_delimiter = ',', value_parser = sections::names())]
    only: Vec<String>,
    /// What the faults are drawn from. Another run with the same draws the same.
    #[arg(long)]
    seed: Option<u64>,
    /// Only parts whose names contain one of these, as of every test.
    filters: Vec<String>,
    /// What `cargo test` may be asked to pass on.
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
}

impl Arguments {
    /// The parts to run, by section.
    fn parts(&self) -> Vec<Vec<Part>> {
        let is_meant = |part: &Part| {
            let by_section = self.only.is_empty() || self.only.iter().any(|name| name == part.section);
            by_section && (self.filters.is_empty() || self.filters.iter().any(|filter| part.name().contains(filter)))
        };
        let parts = SECTIONS.iter().map(|section| section.parts().filter(is_meant).collect());
        parts.filter(|parts: &Vec<_>| !parts.is_empty()).collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let form = if arguments.full { Form::Full } else { Form::Short };
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let parts = arguments.parts();
    println!("\nrunning {} tests, seed {seed}", parts.iter().map(Vec::len).sum::<usize>());
    let start = Instant::now();
    // In the full form one section does not disturb the figures of another.
    let turns = match form {
        Form::Short => vec![parts.concat()],
        Form::Full => parts,
    };
    let verdicts: Vec<Verdict> = turns.into_iter().flat_map(|parts| run_all(parts, form, seed)).collect();

    let failed = verdicts.iter().filter(|verdict| verdict.has_failed()).count();
    if form == Form::Full && failed == 0 {
        let written = publish::publish(&verdicts).unwrap();
        println!("\nwritten into docs/reliability.md: {}", written.join(", "));
    }
    let outcome = if failed == 0 { "ok" } else { "FAILED" };
    let (passed, seconds) = (verdicts.len() - failed, start.elapsed().as_secs_f64());
    println!("\ntest result: {outcome}. {passed} passed; {failed} failed; finished in {seconds:.2}s\n");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs parts side by side, each with a runtime of its own.
fn run_all(parts: Vec<Part>, form: Form, seed: u64) -> Vec<Verdict> {
    let waiting = Mutex::new(VecDeque::from(parts));
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some(part) = waiting.lock().unwrap().pop_front() else { return };
                    let verdict = run_one(part, form, seed);
                    print!("test {} ... {}\n{verdict}", part.name(), verdict.in_short());
                    done.lock().unwrap().push(verdict);
                }
            });
        }
    });
    let mut verdicts = done.into_inner().unwrap();
    let order: Vec<String> = SECTIONS.iter().flat_map(Section::parts).map(|part| part.name()).collect();
    verdicts.sort_by_key(|verdict| order.iter().position(|name| *name == verdict.part.name()));
    verdicts
}

fn run_one(part: Part, form: Form, seed: u64) -> Verdict {
    let run = Arc::new(Run::new(part.name(), form, seed));
    let of_part = Arc::clone(&run);
    // On a thread of its own, so that a panic ends this part alone.
    let ended = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(longest(form), (part.run)(of_part)).await.expect("it takes too long");
        });
        // What is left of it does not hold up the others.
        runtime.shutdown_background();
    });
    Verdict::of(part, &run, ended.join())
}

/// Far longer than a part takes on a machine that is busy.
fn longest(form: Form) -> Duration {
    match form {
        Form::Short => Duration::from_mins(15),
        Form::Full => Duration::from_hours(3),
    }
}

/// Short enough to be typed.
fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos())
}
