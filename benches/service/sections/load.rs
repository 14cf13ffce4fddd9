//! Latency, goodput and memory against load: the curves of the charts.

use std::time::Duration;

use super::{Bench, DEADLINE, PATIENT, name};
use crate::charts::{CostCurves, Line};
use crate::load::{closed, ms, open};
use crate::process::resident_bytes;
use crate::report::{Series, Target};

const CALLERS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const CALLERS_OF_OPENLDAP: [usize; 4] = [1, 2, 8, 64];
/// What is offered, in parts of the capacity.
const OFFERED: [f64; 9] = [0.3, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 5.0, 10.0];
const WARM_UP: Duration = Duration::from_millis(1500);

pub async fn run(bench: &mut Bench) {
    let window = bench.plan.window;
    let [mut p50, mut p99, mut memory] = ["credentiald, p50", "credentiald, p99", "credentiald"].map(Line::named);
    let mut capacity: f64 = 0.0;
    for count in CALLERS.into_iter().step_by(bench.plan.step) {
        let mut callers = bench.server.changers(count, PATIENT);
        let tally = closed(&mut callers, WARM_UP, window).await;
        memory.push(count as f64, bench.server.resident_mib());
        bench.server.give_back(callers);
        capacity = capacity.max(tally.rate());
        p50.push(count as f64, ms(&tally.done, 0.5));
        p99.push(count as f64, ms(&tally.done, 0.99));
        bench.report.row(&format!("Changes/s, {count} callers"), Target::None, "", &tally.rate().into());
    }
    let (mut latency, mut memories) = (vec![p50, p99], vec![memory]);
    if let Some(slapd) = &bench.slapd {
        let [mut p50, mut p99, mut memory] = ["OpenLDAP, p50", "OpenLDAP, p99", "OpenLDAP"].map(Line::named);
        let mut first = 100;
        for count in CALLERS_OF_OPENLDAP.into_iter().step_by(bench.plan.step) {
            let mut callers = slapd.changers(first, count).await;
            first += count;
            let tally = closed(&mut callers, WARM_UP, window).await;
            memory.push(count as f64, resident_bytes(slapd.process.id()) as f64 / f64::from(1 << 20));
            p50.push(count as f64, ms(&tally.done, 0.5));
            p99.push(count as f64, ms(&tally.done, 0.99));
            bench.report.row(&format!("OpenLDAP: changes/s, {count} callers"), Target::None, "", &tally.rate().into());
        }
        latency.extend([p50, p99]);
        memories.push(memory);
    }
    bench.report.row("Capacity: the best of these", Target::None, "changes/s", &capacity.into());
    let goodput = goodput(bench, capacity).await;
    bench.curves.costs.push(CostCurves { cost: name(bench.cost), latency, memory: memories, goodput });
}

async fn goodput(bench: &mut Bench, capacity: f64) -> Vec<Line> {
    let [mut goodput, mut ideal] = ["successful within 1 s", "what could be"].map(Line::named);
    let mut callers = bench.server.changers(bench.server.tenant.subjects.len(), DEADLINE);
    for part in OFFERED.into_iter().step_by(bench.plan.step) {
        let tally = open(&mut callers, capacity * part, bench.plan.window.max(DEADLINE) * 2).await;
        // Arrivals are random: what came is not quite what was meant.
        goodput.push(tally.offered(), tally.rate());
        ideal.push(tally.offered(), tally.offered().min(capacity));
        let figure = format!("Goodput ÷ capacity, offered {part} × capacity");
        bench.report.row(&figure, Target::None, "", &Series::from(tally.rate() / capacity));
    }
    bench.server.give_back(callers);
    vec![goodput, ideal]
}
