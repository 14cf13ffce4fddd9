//! What is measured: each section fills a table of the report.

mod callers;
mod cheap;
mod edge;
mod fairness;
mod import;
mod latency;
mod load;
mod overload;
mod quickstart;
mod rates;
mod scale;
mod telemetry;
mod timing;

use std::path::Path;
use std::time::Duration;

use credentiald::ambient::SystemEntropy;
use credentiald::hashing::{Cost, KernelChoice, KernelSetting, usable_cpus};

use crate::callers::Cheap;
use crate::charts::Curves;
use crate::kernels;
use crate::machine::NoiseMeter;
use crate::report::Report;
use crate::server::Server;
use crate::slapd::Slapd;

/// What has no deadline of its own.
pub const PATIENT: Duration = Duration::from_secs(10);
/// What callers under overload wait for at most.
pub const DEADLINE: Duration = Duration::from_secs(1);

/// How thoroughly everything is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub rounds: usize,
    /// How long a contender's turn lasts.
    pub window: Duration,
    /// How long ten times the capacity is offered.
    pub overload: Duration,
    pub quickstarts: usize,
    /// One point of so many is measured of each curve.
    pub step: usize,
    /// Subjects of the tenant that makes the load. All of them call at ten times the capacity.
    pub subjects: usize,
    /// Times of each call that are compared with those of another one.
    pub samples: usize,
    /// Credentials of the large store.
    pub credentials: u64,
    /// Rows of an import.
    pub rows: u64,
}

impl Plan {
    pub const FULL: Self = Self {
        rounds: 5,
        window: Duration::from_secs(2),
        overload: Duration::from_mins(1),
        quickstarts: 9,
        step: 1,
        subjects: 3000,
        samples: 1000,
        credentials: 10_000_000,
        rows: 500_000,
    };
    pub const QUICK: Self = Self {
        rounds: 1,
        window: Duration::from_secs(1),
        overload: Duration::from_secs(4),
        quickstarts: 3,
        step: 3,
        subjects: 500,
        samples: 200,
        credentials: 100_000,
        rows: 100_000,
    };
}

/// What can be run by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    /// Hashes and changes per second, by contender.
    Rates,
    /// One change on an idle machine.
    Latency,
    /// Latency, goodput and memory against load.
    Load,
    /// Calls without a hash while every worker is busy.
    Cheap,
    /// A tenant that offers far too much, and another one.
    Fairness,
    /// Ten times the capacity.
    Overload,
    /// What the time of an answer tells.
    Timing,
    /// What proofs of callers, and permissions, cost.
    Callers,
    /// Changes over the edge for the vendors' SDKs, at 80 % of what it can.
    Edge,
    /// From nothing to serving.
    Quickstart,
    /// Imports into an empty store, on SQLite and PostgreSQL.
    Import,
    /// Lines of calls, metrics and traces, beside a server without them.
    Telemetry,
    /// Ten million credentials. Only where it is named: it takes long, and 20 GB.
    Scale,
}

/// Where a section measures: the servers at one cost, and where its figures go.
pub struct Bench {
    pub cost: Cost,
    pub plan: Plan,
    pub server: Server,
    pub slapd: Option<Slapd>,
    pub report: Report,
    pub noise: NoiseMeter,
    pub curves: Curves,
}

impl Bench {
    /// Runs a section that needs the servers.
    pub async fn run(&mut self, section: Section) {
        self.noise.take();
        self.report.table(&format!("{}, {}", title(section), name(self.cost)));
        match section {
            Section::Rates => rates::run(self).await,
            Section::Latency => latency::run(self).await,
            Section::Load => load::run(self).await,
            Section::Cheap => cheap::run(self).await,
            Section::Fairness => fairness::run(self).await,
            Section::Overload => overload::run(self).await,
            Section::Timing => timing::run(self).await,
            Section::Callers
            | Section::Edge
            | Section::Quickstart
            | Section::Import
            | Section::Telemetry
            | Section::Scale => {}
        }
        self.report.noise(&format!("{}, {}", title(section), name(self.cost)), self.noise.take());
    }

    /// Changes a second that the hardware allows: each takes two hashes.
    fn limit(&self) -> f64 {
        let mut hashes = kernels::on_all_cpus(kernels::bare_kernel, self.cost);
        kernels::per_second(&mut hashes, self.plan.window) / 2.0
    }

    fn cheap_callers(&mut self, count: usize) -> Vec<Cheap> {
        let Server { neighbour, connections, .. } = &mut self.server;
        (0..count).map(|number| Cheap::new(number, neighbour, connections)).collect()
    }

    /// Resident at most: 48 MiB and an arena for each worker.
    fn most_resident_mib(&self) -> f64 {
        48.0 + arenas_mib(self.cost)
    }
}

/// Measures what starts servers of its own.
pub async fn quickstart(plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    noise.take();
    report.table(title(Section::Quickstart));
    quickstart::run(plan, report, noise).await;
    report.noise(title(Section::Quickstart), noise.take());
}

/// Measures callers, with servers of its own.
pub async fn callers(plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    noise.take();
    report.table(title(Section::Callers));
    callers::run(plan, report, noise).await;
    report.noise(title(Section::Callers), noise.take());
}

/// Measures the edge for the vendors' SDKs, with a server of its own.
pub async fn edge(plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    noise.take();
    report.table(title(Section::Edge));
    edge::run(plan, report, noise).await;
    report.noise(title(Section::Edge), noise.take());
}

/// Measures imports by a program, with servers of its own.
pub async fn import(program: &Path, plan: Plan, report: &mut Report, noise: &mut NoiseMeter) {
    noise.take();
    report.table(title(Section::Import));
    import::run(program, plan, report, noise).await;
    report.noise(title(Section::Import), noise.take());
}

/// Measures lines of calls, metrics and traces, with servers of its own; all of it off also beside another build.
pub async fn telemetry(other: Option<&Path>, plan: Plan, report: &mut Report, noise: &mut NoiseMeter) {
    noise.take();
    report.table(title(Section::Telemetry));
    telemetry::run(other, plan, report, noise).await;
    report.noise(title(Section::Telemetry), noise.take());
}

/// Measures what fills stores of its own.
pub async fn scale(plan: Plan, report: &mut Report, noise: &mut NoiseMeter) {
    scale::run(plan, report, noise).await;
}

pub fn name(cost: Cost) -> String {
    format!("m={} t={} p={}", cost.memory_kib(), cost.iterations(), cost.parallelism())
}

const fn title(section: Section) -> &'static str {
    match section {
        Section::Rates => "Hashes and changes",
        Section::Latency => "One change, idle",
        Section::Load => "Load",
        Section::Cheap => "Calls without a hash",
        Section::Fairness => "Two tenants",
        Section::Overload => "Ten times the capacity",
        Section::Timing => "What the time of an answer tells",
        Section::Callers => "Callers and permissions",
        Section::Edge => "Changes by the vendors' SDKs",
        Section::Quickstart => "From nothing to serving",
        Section::Import => "Imports",
        Section::Telemetry => "Lines, metrics and traces",
        Section::Scale => "Scale",
    }
}

/// The workers' memory, as the server reserves it by default: each has the default cost's at least.
fn arenas_mib(cost: Cost) -> f64 {
    let pairs = KernelChoice::new(KernelSetting::Auto, cost, &SystemEntropy).interleaves();
    let new_hashes = cost.memory_kib() * if pairs { 2 } else { 1 };
    f64::from(usable_cpus().get()) * f64::from(new_hashes.max(Cost::DEFAULT.memory_kib())) / 1024.0
}
