//! The service under load, beside OpenLDAP and the bare kernels: `cargo bench --bench service`.
//!
//! Starts the server, built as for the image, and slapd on loopback, drives them from this process, and prints each
//! figure beside its target. The contenders take turns, so that whatever else the machine does slows all alike: the ratios are what
//! counts. A full run writes its tables and charts into `docs/`. With `BENCH_CPUS` the programs run on CPUs of their own.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark reads clocks, prints, and stops where it can't go on"
)]

mod beside;
mod callers;
mod charts;
mod client;
mod kernels;
mod load;
mod machine;
mod process;
mod publish;
mod report;
mod sections;
mod server;
mod site;
mod slapd;
mod statistics;
#[path = "../../tests/it/support"]
#[allow(dead_code, reason = "the tests have more use for it")]
mod support {
    pub mod certificates;
    pub mod jwt;
    pub mod ports;
    pub mod postgres;
    pub mod signer;
}

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use credentiald::hashing::{Cost, usable_cpus};

use charts::Curves;
use machine::NoiseMeter;
use publish::Part;
use report::Report;
use sections::{Bench, Plan, Section};
use server::{BINARY, Server};
use slapd::Slapd;

/// Users of OpenLDAP: each section takes others, because a connection is its user's.
const USERS: usize = 200;

/// Sections that are run by name only.
const BY_NAME: [Section; 6] =
    [Section::Scale, Section::Timing, Section::Callers, Section::Edge, Section::Import, Section::Telemetry];

/// Measures the service under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// Few and short rounds, to try it. Nothing is written.
    #[arg(long)]
    quick: bool,
    /// Only these sections. Nothing is written but for `scale` alone. It, `timing`, `callers`, `edge`, `import` and
    /// `telemetry` are run by name only.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Compare with another build of the program: run each section with both in turn, and print the ratio of each figure
    /// (medians of rounds). Not for `scale`, `callers`, `edge` and `quickstart`. Nothing is written.
    #[arg(long, value_name = "PATH")]
    beside: Option<PathBuf>,
    /// How many rounds, in place of the usual number.
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<usize>,
    /// What cargo passes.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// What of the document a run is to fill, where its figures are to be kept.
    fn part(&self) -> Option<Part> {
        match self.only[..] {
            _ if self.quick || self.rounds.is_some() => None,
            [] => Some(Part::Load),
            [Section::Scale] => Some(Part::Scale),
            _ => None,
        }
    }

    fn sections(&self) -> Vec<Section> {
        if self.only.is_empty() {
            Section::value_variants().iter().copied().filter(|section| !BY_NAME.contains(section)).collect()
        } else {
            self.only.clone()
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    // The generator shares the machine with what it measures: half of the cores are enough for it.
    let workers = (usable_cpus().get() as usize / 2).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    runtime.unwrap().block_on(measure(&arguments));
}

async fn measure(arguments: &Arguments) {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let plan = Plan { rounds: arguments.rounds.unwrap_or(plan.rounds), ..plan };
    let costs = [Cost::new(19_456, 2, 1).unwrap(), Cost::DEFAULT];
    let own =
        [Section::Quickstart, Section::Callers, Section::Edge, Section::Import, Section::Telemetry, Section::Scale];
    let sections = arguments.sections();
    let with_servers: Vec<_> = sections.iter().copied().filter(|section| !own.contains(section)).collect();
    if let Some(other) = &arguments.beside {
        if sections.contains(&Section::Import) {
            beside::compare_imports(other, plan).await;
        }
        if sections.contains(&Section::Telemetry) {
            let (mut report, mut noise) = (Report::default(), NoiseMeter::start());
            sections::telemetry(Some(other), plan, &mut report, &mut noise).await;
            println!("\n{}", report.markdown(&machine::facts()));
        }
        let costs = if with_servers.is_empty() { &[][..] } else { &costs };
        return beside::compare(other, costs, &with_servers, plan).await;
    }
    let has_slapd = Slapd::install().inspect_err(|problem| println!("without OpenLDAP: {problem}")).is_ok();
    let facts = machine::facts();
    for (name, value) in &facts {
        println!("{name:<18} {value}");
    }
    let (mut report, mut curves, mut noise) = (Report::default(), Curves::default(), NoiseMeter::start());
    if sections.contains(&Section::Quickstart) {
        sections::quickstart(plan, &mut report, &noise).await;
    }
    if sections.contains(&Section::Callers) {
        sections::callers(plan, &mut report, &noise).await;
    }
    if sections.contains(&Section::Edge) {
        sections::edge(plan, &mut report, &noise).await;
    }
    if sections.contains(&Section::Import) {
        sections::import(Path::new(BINARY), plan, &mut report, &mut noise).await;
    }
    if sections.contains(&Section::Telemetry) {
        sections::telemetry(None, plan, &mut report, &mut noise).await;
    }
    if sections.contains(&Section::Scale) {
        sections::scale(plan, &mut report, &mut noise).await;
    }
    let costs = if with_servers.is_empty() { &[][..] } else { &costs };
    for cost in costs.iter().copied() {
        let server = Server::start(Path::new(BINARY), cost, plan.subjects).await;
        noise.add(server.process.id());
        let slapd = if has_slapd { Some(Slapd::start(cost, USERS).await) } else { None };
        if let Some(slapd) = &slapd {
            noise.add(slapd.process.id());
        }
        let mut bench = Bench { cost, plan, server, slapd, report, noise, curves };
        for section in &with_servers {
            bench.run(*section).await;
        }
        Bench { report, noise, curves, .. } = bench;
    }
    if let Some(part) = arguments.part() {
        publish::publish(part, &report, &facts, &curves).unwrap();
        println!("\nwritten: docs/performance.md and docs/charts");
    } else {
        // What was measured of the charts is looked at, and not kept.
        let folder = std::env::temp_dir().join("credentiald-charts");
        curves.draw(&folder).unwrap();
        println!("\n{}\nnothing is written but charts in {}", report.markdown(&facts), folder.display());
    }
}
