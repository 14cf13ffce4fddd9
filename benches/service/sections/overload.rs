//! Ten times the capacity, with deadlines of a second: what comes of it, and what it costs.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Bench, DEADLINE, PATIENT};
use crate::load::{Tally, closed, ms, open};
use crate::process::{CpuTimes, resident_bytes};
use crate::report::{Report, Series, Target};
use crate::server::is_serving;

const FACTOR: f64 = 10.0;
const CALLERS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the server has to settle after the storm.
const SETTLE: Duration = Duration::from_secs(2);

pub async fn run(bench: &mut Bench) {
    let peak_window = bench.plan.window * 3;
    let mut callers = bench.server.changers(CALLERS, PATIENT);
    let before = closed(&mut callers, WARM_UP, peak_window).await.rate();
    bench.server.give_back(callers);
    let resident_before = bench.server.resident_mib();

    let mut callers = bench.server.changers(bench.server.tenant.subjects.len(), DEADLINE);
    let (done, over) = watch::channel(());
    let watcher = tokio::spawn(look(bench.server.address, bench.server.process.id(), over));
    let began = CpuTimes::now(&bench.server.process);
    let tally = open(&mut callers, before * FACTOR, bench.plan.overload).await;
    let used = began.until(&CpuTimes::now(&bench.server.process));
    drop(done);
    let seen = watcher.await.unwrap();
    bench.server.give_back(callers);
    tokio::time::sleep(SETTLE).await;
    let resident_after = bench.server.resident_mib();

    let mut callers = bench.server.changers(CALLERS, PATIENT);
    let after = closed(&mut callers, WARM_UP, peak_window).await.rate();
    bench.server.give_back(callers);

    let peak: Series = [before, after].into_iter().collect();
    let most_resident = bench.most_resident_mib();
    let report = &mut bench.report;
    tell_answers(report, &tally, &peak);
    report.row("CPUs of the generator", Target::None, "", &used.generator.into());
    report.row("CPUs of the service", Target::None, "", &used.service.into());
    report.row("Health: not SERVING", Target::AtMost(0.0), "", &(seen.not_serving as f64).into());
    report.row("Health: looked", Target::None, "times", &(seen.looks as f64).into());
    report.row("Health: slowest", Target::None, "ms", &(seen.slowest.as_secs_f64() * 1000.0).into());
    report.row("Resident at most", Target::AtMost(most_resident), "MiB", &seen.most_resident_mib.into());
    report.row("Resident after", Target::AtMost(most_resident), "MiB", &resident_after.into());
    report.row("Resident before", Target::None, "MiB", &resident_before.into());
}

fn tell_answers(report: &mut Report, tally: &Tally, peak: &Series) {
    let goodput = tally.rate() / peak.median();
    report.row("Successful changes/s ÷ peak", Target::AtLeast(0.95), "", &goodput.into());
    report.row("Successful: p99", Target::AtMost(DEADLINE.as_secs_f64() * 1000.0), "ms", &ms(&tally.done, 0.99).into());
    report.row("Refused: p99", Target::AtMost(10.0), "ms", &ms(&tally.refused, 0.99).into());
    report.row("Refused: median", Target::None, "ms", &ms(&tally.refused, 0.5).into());
    report.row("Refused: slowest", Target::None, "ms", &ms(&tally.refused, 1.0).into());
    report.row("The generator sent late, p99", Target::None, "ms", &ms(&tally.late, 0.99).into());
    let silent = tally.untyped + tally.lost;
    report.row(
        "Answered neither with success nor with a reason",
        Target::AtMost(0.0),
        "calls",
        &(silent as f64).into(),
    );
    report.row("Not sent: the generator's own limit", Target::AtMost(0.0), "calls", &(tally.unsent as f64).into());
    report.row("Offered", Target::None, "calls/s", &tally.offered().into());
    report.row("Successful", Target::None, "changes/s", &tally.rate().into());
    report.row("Peak, before and after", Target::None, "changes/s", peak);
    for (reason, count) in &tally.reasons {
        report.row(&format!("Refused: `{reason}`"), Target::None, "calls", &(*count as f64).into());
    }
}

#[derive(Default)]
struct Seen {
    looks: u64,
    not_serving: u64,
    slowest: Duration,
    most_resident_mib: f64,
}

/// Looks at health, over a new connection each time, and at memory, until the end of the section.
async fn look(address: std::net::SocketAddr, process: u32, mut over: watch::Receiver<()>) -> Seen {
    let mut seen = Seen::default();
    while tokio::time::timeout(LOOK_EVERY, over.changed()).await.is_err() {
        let asked = Instant::now();
        let is_serving = tokio::time::timeout(DEADLINE, is_serving(address)).await.unwrap_or(false);
        seen.looks += 1;
        seen.not_serving += u64::from(!is_serving);
        seen.slowest = seen.slowest.max(asked.elapsed());
        let resident_mib = resident_bytes(process) as f64 / f64::from(1 << 20);
        seen.most_resident_mib = seen.most_resident_mib.max(resident_mib);
    }
    seen
}
