//! Hashes and changes per second: the contenders in turn, round after round.

use std::time::Duration;

use super::{Bench, PATIENT, name};
use crate::callers::Verify;
use crate::kernels::{bare_kernel, default_call, on_all_cpus, per_second};
use crate::load::{Tally, closed};
use crate::report::{Series, Target};
use crate::server::Server;

/// Longer than anybody waits in a full line.
const WARM_UP: Duration = Duration::from_millis(500);
const LONG_WARM_UP: Duration = Duration::from_millis(1500);

#[derive(Default)]
struct Rates {
    default_alone: Series,
    default_together: Series,
    kernel_alone: Series,
    kernel_together: Series,
    verify: Series,
    change: [Series; 2],
    openldap: [Series; 2],
}

pub async fn run(bench: &mut Bench) {
    let (cost, window) = (bench.cost, bench.plan.window);
    let mut default_alone = [default_call(cost)];
    let mut default_together = on_all_cpus(default_call, cost);
    let mut kernel_alone = [bare_kernel(cost)];
    let mut kernel_together = on_all_cpus(bare_kernel, cost);
    let Server { neighbour, connections, .. } = &mut bench.server;
    let mut verify = vec![Verify::new(neighbour, connections)];
    let mut change = [bench.server.changers(8, PATIENT), bench.server.changers(64, PATIENT)];
    let mut openldap = match &bench.slapd {
        Some(slapd) => vec![slapd.changers(0, 8).await, slapd.changers(8, 64).await],
        None => Vec::new(),
    };

    let mut rates = Rates::default();
    // Long enough for who waits longest.
    let long_window = window.max(LONG_WARM_UP);
    for _ in 0..bench.plan.rounds {
        rates.default_alone.push(per_second(&mut default_alone, window));
        rates.kernel_alone.push(per_second(&mut kernel_alone, window));
        rates.verify.push(only_successes(&closed(&mut verify, WARM_UP, window).await).rate());
        rates.default_together.push(per_second(&mut default_together, window));
        rates.kernel_together.push(per_second(&mut kernel_together, window));
        for (callers, series) in change.iter_mut().zip(&mut rates.change) {
            series.push(only_successes(&closed(callers, WARM_UP, window).await).rate());
        }
        for (callers, series) in openldap.iter_mut().zip(&mut rates.openldap) {
            series.push(only_successes(&closed(callers, LONG_WARM_UP, long_window).await).rate());
        }
    }
    for changers in change {
        bench.server.give_back(changers);
    }
    rates.report(bench);
}

/// An error would make a contender look quick.
fn only_successes(tally: &Tally) -> &Tally {
    assert!(tally.reasons.is_empty() && tally.lost == 0, "not all succeeded: {:?}, {} lost", tally.reasons, tally.lost);
    tally
}

impl Rates {
    fn report(&self, bench: &mut Bench) {
        let report = &mut bench.report;
        let limit = self.kernel_together.map(|hashes| hashes / 2.0);
        let most = if bench.cost.iterations() == 1 { 0.30 } else { 0.36 };
        let figure = "One hash, time: bare kernel ÷ `argon2` default call";
        report.row(figure, Target::AtMost(most), "", &self.default_alone.over(&self.kernel_alone));
        let figure = "One hash, time: `VerifyPassword` over the socket ÷ `argon2` default call";
        report.row(figure, Target::AtMost(most), "", &self.default_alone.over(&self.verify));
        for (callers, change) in ["8", "64"].iter().zip(&self.change) {
            let figure = format!("`ChangePassword`/s, {callers} callers ÷ (bare kernel, all cores ÷ 2)");
            report.row(&figure, Target::AtLeast(0.95), "", &change.over(&limit));
        }
        if bench.slapd.is_some() {
            for ((callers, change), openldap) in ["8", "64"].iter().zip(&self.change).zip(&self.openldap) {
                let figure = format!("`ChangePassword`/s ÷ OpenLDAP, {callers} callers");
                report.row(&figure, Target::AtLeast(3.0), "", &change.over(openldap));
            }
        }
        let two = |series: &Series| series.map(|changes| changes * 2.0);
        let mut contenders = vec![
            ("argon2 default call, 1 thread", self.default_alone.clone()),
            ("argon2 default call, all cores", self.default_together.clone()),
            ("bare kernel, 1 thread", self.kernel_alone.clone()),
            ("bare kernel, all cores", self.kernel_together.clone()),
            ("credentiald, 1 caller verifies", self.verify.clone()),
            ("credentiald, 8 callers change", two(&self.change[0])),
            ("credentiald, 64 callers change", two(&self.change[1])),
        ];
        if bench.slapd.is_some() {
            contenders.push(("OpenLDAP, 8 callers change", two(&self.openldap[0])));
            contenders.push(("OpenLDAP, 64 callers change", two(&self.openldap[1])));
        }
        for (contender, series) in &contenders {
            report.row(&format!("Hashes/s: {contender}"), Target::None, "", series);
        }
        let medians = contenders.into_iter().map(|(contender, series)| (contender.to_owned(), series.median()));
        bench.curves.hashes.push((name(bench.cost), medians.collect()));
    }
}
