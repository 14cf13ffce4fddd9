//! How long one change takes while nothing else happens, beside two bare hashes at once.

use std::time::Duration;

use super::{Bench, PATIENT};
use crate::kernels::two_at_once;
use crate::load::{closed, ms};
use crate::report::{Series, Target};

const WARM_UP: Duration = Duration::from_millis(200);
const HASHES: usize = 60;

pub async fn run(bench: &mut Bench) {
    let mut changers = bench.server.changers(1, PATIENT);
    let [mut bare, mut change, mut slowest] = [Series::default(), Series::default(), Series::default()];
    for _ in 0..bench.plan.rounds {
        let times: Series = two_at_once(bench.cost, HASHES).iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        bare.push(times.median());
        let tally = closed(&mut changers, WARM_UP, bench.plan.window).await;
        change.push(ms(&tally.done, 0.5));
        slowest.push(ms(&tally.done, 0.99));
    }
    bench.server.give_back(changers);
    let report = &mut bench.report;
    report.row("One change ÷ two bare hashes at once, medians", Target::AtMost(1.15), "", &change.over(&bare));
    report.row("Two bare hashes at once, median", Target::None, "ms", &bare);
    report.row("One change, median", Target::None, "ms", &change);
    report.row("One change, p99", Target::None, "ms", &slowest);
}
