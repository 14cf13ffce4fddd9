//! Ten million credentials beside ten thousand, in each of the databases.

use std::path::Path;
use std::time::Instant;

use credentiald::hashing::Cost;

use super::{PATIENT, Plan};
use crate::callers::Change;
use crate::load::{Caller, Outcome};
use crate::machine::NoiseMeter;
use crate::report::{Report, Series, Target};
use crate::server::BINARY;
use crate::site::{Database, Site};

/// How many credentials the small store has.
const FEW: u64 = 10_000;
/// How many of them change their passwords, one after the other.
const SUBJECTS: u64 = 500;
const STARTS: usize = 5;
/// How many calls are a turn.
const CALLS: usize = 25;

pub async fn run(plan: Plan, report: &mut Report, noise: &mut NoiseMeter) {
    for name in ["SQLite", "PostgreSQL"] {
        noise.take();
        let title = format!("{} credentials, {name}", plan.credentials);
        report.table(&title);
        measure(plan, report, noise, name == "PostgreSQL").await;
        report.noise(&title, noise.take());
    }
}

async fn measure(plan: Plan, report: &mut Report, noise: &mut NoiseMeter, is_postgres: bool) {
    let cost = Cost::new(19_456, 2, 1).unwrap();
    let mut sites = Vec::new();
    let (mut rates, mut on_disk) = (Vec::new(), Vec::new());
    for count in [FEW, plan.credentials] {
        let database = if is_postgres { Database::postgres().await } else { Database::Sqlite };
        let site = Site::start(Path::new(BINARY), cost, database).await;
        noise.add(site.process.id());
        rates.push(site.fill(count));
        on_disk.push(site.mib_on_disk().await);
        sites.push((site, count));
    }
    let after_import = sites[1].0.process.resident_bytes();
    let start: Series = {
        let mut times = Series::default();
        for _ in 0..STARTS {
            times.push(sites[1].0.start_again().await.as_secs_f64() * 1000.0);
        }
        times
    };
    noise.add(sites[1].0.process.id());

    let mut changers = Vec::new();
    for (site, count) in &sites {
        let (subjects, mut connections) = site.subjects(SUBJECTS, *count).await;
        let all = subjects.into_iter().map(|subject| Change::new(subject, &mut connections, PATIENT)).collect();
        changers.push(InTurn { all, next: 0 });
    }
    let mut change = [Series::default(), Series::default()];
    for round in 0..plan.rounds * 4 {
        // Who comes first changes, so that neither has the better of it.
        for which in [round % 2, 1 - round % 2] {
            change[which].push(changers[which].median().await);
        }
    }

    let [few, many] = change;
    report.row(&format!("One change, idle: ÷ of {FEW}"), Target::AtMost(1.1), "", &many.over(&few));
    report.row("One change, median", Target::None, "ms", &many);
    report.row(&format!("The same of {FEW}"), Target::None, "ms", &few);
    report.row("Killed and started again, until it serves", Target::AtMost(1000.0), "ms", &start);
    report.row("`credentiald import`: rows/s", Target::AtLeast(50_000.0), "", &rates[1].into());
    report.row(&format!("The same, {FEW}: rows/s"), Target::None, "", &rates[0].into());
    report.row("On the disk", Target::None, "MiB", &on_disk[1].into());
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    report.row("Resident after the import", Target::None, "MiB", &mib(after_import).into());
    report.row("Resident after the changes", Target::None, "MiB", &mib(sites[1].0.process.resident_bytes()).into());
}

/// One call at a time, each by another of many, so that each finds its subject anew.
struct InTurn {
    all: Vec<Change>,
    next: usize,
}

impl InTurn {
    /// What the next few calls take, in milliseconds.
    async fn median(&mut self) -> f64 {
        let mut times = Series::default();
        for _ in 0..CALLS {
            self.next = (self.next + 1) % self.all.len();
            let began = Instant::now();
            let outcome = self.all[self.next].call().await;
            assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.median()
    }
}
