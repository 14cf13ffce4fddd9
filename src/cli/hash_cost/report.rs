//! The measurements as a table or as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::candidates::{Budget, Candidate};
use crate::cli::table::{plain, trimmed};
use crate::hashing::{Ceiling, Cost, KernelChoice};

/// They fit a terminal of 80 columns.
const COLUMNS: [&str; 9] = ["KIB", "PASSES", "LANES", "MS ALONE", "MS BUSY", "PER S", "MIB", "ASVS", "VERDICT"];

/// The candidates, weakest first, and the settings that they were measured with.
pub(super) struct Report {
    pub kernel: KernelChoice,
    pub budget: Budget,
    pub candidates: Vec<Candidate>,
    pub in_force: Cost,
}

impl Report {
    /// The strongest candidate that fits.
    pub(super) fn proposal(&self) -> Option<Cost> {
        self.candidates.iter().rev().find(|candidate| candidate.fits()).map(|candidate| candidate.cost)
    }

    pub(super) fn text(&self) -> String {
        let Budget { latency, memory_mib, workers, .. } = &self.budget;
        let mut table = plain();
        table.set_header(COLUMNS);
        table.add_rows(self.candidates.iter().map(|candidate| self.row(candidate)));
        let about = format!(
            "kernel: {}\nworkers: {workers}\nbudget: {} ms for a hash while all are busy, {memory_mib} MiB for all workers\n\
             every line is on the list of OWASP; ASVS is that of ASVS 5.0",
            self.kernel,
            latency.as_millis()
        );
        let proposal = self.proposal().map(|cost| format!("\n\nProposed:\n\n{}", self.toml(cost)));
        format!("{about}\n\n{}{}", trimmed(&table), proposal.unwrap_or_default())
    }

    pub(super) fn json(&self) -> Value {
        let Budget { latency, memory_mib, workers, .. } = &self.budget;
        let kernel = self.kernel;
        json!({
            "kernel": {
                "name": kernel.name(),
                "instructions": kernel.instructions(),
                "reason": kernel.reason(),
            },
            "workers": workers,
            "latency_ms": latency.as_millis(),
            "memory_mib": memory_mib,
            "candidates": self.candidates.iter().map(|candidate| self.object(candidate)).collect::<Vec<_>>(),
            "proposal": self.proposal().map(parameters),
        })
    }

    fn row(&self, candidate: &Candidate) -> [String; COLUMNS.len()] {
        let Candidate { cost, .. } = candidate;
        let measured = candidate.measured();
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let mut verdict = vec![candidate.verdict()];
        verdict.extend((self.proposal() == Some(*cost)).then_some("proposed"));
        verdict.extend((self.in_force == *cost).then_some("in force"));
        [
            cost.memory_kib().to_string(),
            cost.iterations().to_string(),
            cost.parallelism().to_string(),
            shown(measured.map(|measured| milliseconds(measured.alone))),
            shown(measured.map(|measured| milliseconds(measured.together))),
            shown(measured.map(|measured| measured.per_second)),
            self.budget.kib_in_total(self.budget.kib_each(*cost)).div_ceil(1024).to_string(),
            yes_or_no(cost.meets_asvs()),
            verdict.join(", "),
        ]
    }

    fn object(&self, candidate: &Candidate) -> Value {
        let Candidate { cost, .. } = candidate;
        let measured = candidate.measured();
        let mut object = parameters(*cost);
        let more = json!({
            "alone_ms": measured.map(|measured| rounded(milliseconds(measured.alone))),
            "all_busy_ms": measured.map(|measured| rounded(milliseconds(measured.together))),
            "hashes_per_second": measured.map(|measured| rounded(measured.per_second)),
            "mib_in_total": self.budget.kib_in_total(self.budget.kib_each(*cost)).div_ceil(1024),
            "in_pairs": self.budget.is_in_pairs(*cost),
            "meets_owasp": true,
            "meets_asvs": cost.meets_asvs(),
            "verdict": candidate.verdict(),
            "in_force": self.in_force == *cost,
        });
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        object
    }

    /// The lines for a configuration file. Workers have memory for the ceiling, which is usually that of the default
    /// cost or more.
    fn toml(&self, cost: Cost) -> String {
        let (memory_kib, iterations, parallelism) = (cost.memory_kib(), cost.iterations(), cost.parallelism());
        let lines =
            format!("[hashing]\nmemory_kib = {memory_kib}\niterations = {iterations}\nparallelism = {parallelism}");
        let one = if self.budget.pairs && !self.budget.is_in_pairs(cost) { "\ninterleave = 1" } else { "" };
        let lines = lines + one;
        let usual = self.budget.kib_in_total(Ceiling::of(cost).memory_kib());
        if usual <= u64::from(self.budget.memory_mib) << 10 {
            return lines;
        }
        format!("{lines}\n# stored hashes with more memory than this can't be verified\nceiling_kib = {memory_kib}")
    }
}

fn parameters(cost: Cost) -> Value {
    json!({
        "memory_kib": cost.memory_kib(),
        "iterations": cost.iterations(),
        "parallelism": cost.parallelism(),
    })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}
