//! Calls that need no hash, while every worker is busy: they are neither queued behind hashes, nor do they starve them.

use std::time::Duration;

use super::{Bench, PATIENT};
use crate::load::{Tally, closed, ms, open};
use crate::process::CpuTimes;
use crate::report::{Series, Target};

/// Calls a second of the open loop.
const RATE: f64 = 5000.0;
const CALLERS: usize = 2000;
/// As many callers as keep every worker busy.
const CHANGERS: usize = 8;
const FLOODERS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(500);

pub async fn run(bench: &mut Bench) {
    let mut callers = bench.cheap_callers(CALLERS);
    let mut flooders = bench.cheap_callers(FLOODERS);
    let mut changers = bench.server.changers(CHANGERS, PATIENT);
    let window = bench.plan.window;
    let [mut steady, mut flooded, mut p50, mut p99, mut late] = <[Series; 5]>::default();
    let [mut generator, mut service] = <[Series; 2]>::default();
    let [mut flood_rate, mut steady_rate, mut bare, mut cpu_time] = <[Series; 4]>::default();
    let mut wrong = 0;
    for _ in 0..bench.plan.rounds {
        let limit = bench.limit();
        let began = CpuTimes::now(&bench.server.process);
        let (changed, cheap) =
            tokio::join!(closed(&mut changers, WARM_UP, window), open(&mut callers, RATE, WARM_UP + window));
        let used = began.until(&CpuTimes::now(&bench.server.process));
        generator.push(used.generator);
        service.push(used.service);
        steady.push(changed.rate() / limit);
        steady_rate.push(changed.rate());
        bare.push(limit);
        p50.push(ms(&cheap.done, 0.5));
        p99.push(ms(&cheap.done, 0.99));
        late.push(ms(&cheap.late, 0.99));
        wrong += unexpected(&cheap) + unexpected(&changed);
        let (changed, cheap) =
            tokio::join!(closed(&mut changers, WARM_UP, window), closed(&mut flooders, WARM_UP, window));
        flooded.push(changed.rate() / limit);
        flood_rate.push(cheap.rate());
        wrong += unexpected(&cheap) + unexpected(&changed);
        let before = bench.server.process.cpu_time();
        let cheap = open(&mut callers, RATE, window).await;
        let used = bench.server.process.cpu_time().saturating_sub(before);
        cpu_time.push(used.as_secs_f64() * 1e6 / cheap.done.len() as f64);
        wrong += unexpected(&cheap);
    }
    bench.server.give_back(changers);
    let report = &mut bench.report;
    report.row("400, 403, 404 and health at 5,000/s: p99", Target::AtMost(10.0), "ms", &p99);
    report.row("The same: changes/s ÷ limit", Target::AtLeast(0.80), "", &steady);
    report.row("A flood of such calls: changes/s ÷ limit", Target::AtLeast(0.50), "", &flooded);
    report.row("Unexpected answers", Target::AtMost(0.0), "", &(wrong as f64).into());
    report.row("At 5,000/s with no changes: CPU time of a call in the service", Target::None, "µs", &cpu_time);
    report.row("At 5,000/s: median", Target::None, "ms", &p50);
    report.row("At 5,000/s: the generator sent late, p99", Target::None, "ms", &late);
    report.row("At 5,000/s: CPUs of the generator", Target::None, "", &generator);
    report.row("At 5,000/s: CPUs of the service", Target::None, "", &service);
    report.row("At 5,000/s: changes/s", Target::None, "", &steady_rate);
    report.row("The limit: bare kernel, all cores ÷ 2", Target::None, "changes/s", &bare);
    report.row("The flood: calls/s", Target::None, "", &flood_rate);
}

fn unexpected(tally: &Tally) -> u64 {
    if !tally.reasons.is_empty() || tally.unsent > 0 {
        println!("unexpected: {:?}, {} not sent, {} lost", tally.reasons, tally.unsent, tally.lost);
    }
    tally.refused.len() + tally.untyped + tally.lost + tally.unsent
}
