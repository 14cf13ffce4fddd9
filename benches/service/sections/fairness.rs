//! One tenant offers fifty times its share; what does another one notice?

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Bench, DEADLINE, PATIENT};
use crate::callers::Change;
use crate::kernels::two_at_once;
use crate::load::{closed, ms, open};
use crate::report::{Series, Target};
use crate::server::Server;

const WARM_UP: Duration = Duration::from_millis(500);
const HASHES: usize = 20;

pub async fn run(bench: &mut Bench) {
    let window = bench.plan.window;
    let Server { neighbour, connections, .. } = &mut bench.server;
    let subject = neighbour.subjects.pop().unwrap();
    let mut modest = vec![Change::new(subject, connections, PATIENT)];
    let mut greedy = bench.server.changers(bench.server.tenant.subjects.len(), DEADLINE);
    let [mut alone, mut beside, mut above, mut greedy_rate] = <[Series; 4]>::default();
    let mut reasons = BTreeMap::<String, u64>::new();
    for _ in 0..bench.plan.rounds {
        // Half of the capacity is the share of each of two.
        let offered = bench.limit() / 2.0 * 50.0;
        let times: Series = two_at_once(bench.cost, HASHES).iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        let unloaded = ms(&closed(&mut modest, WARM_UP, window).await.done, 0.5);
        let (one, other) =
            tokio::join!(closed(&mut modest, WARM_UP, window), open(&mut greedy, offered, WARM_UP + window));
        let loaded = ms(&one.done, 0.5);
        alone.push(unloaded);
        beside.push(loaded);
        above.push(loaded / 2.0_f64.mul_add(unloaded, 2.0 * times.median()));
        greedy_rate.push(other.rate());
        for (reason, count) in other.reasons {
            *reasons.entry(reason).or_default() += count;
        }
    }
    bench.server.give_back(greedy);
    bench.server.neighbour.subjects.extend(modest.into_iter().map(Change::into_subject));
    let report = &mut bench.report;
    let figure = "The modest tenant's median ÷ (twice its unloaded one + two hashes)";
    report.row(figure, Target::AtMost(1.0), "", &above);
    report.row("The modest tenant's median, unloaded", Target::None, "ms", &alone);
    report.row("The modest tenant's median, loaded", Target::None, "ms", &beside);
    report.row("The greedy tenant's changes/s", Target::None, "", &greedy_rate);
    for (reason, count) in reasons {
        report.row(&format!("The greedy tenant's refused: `{reason}`"), Target::None, "calls", &(count as f64).into());
    }
}
