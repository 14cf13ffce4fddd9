//! The costs that are measured, and whether they fit a budget.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::hashing::{Cost, Measured};

/// Memory in KiB and passes of the costs above those of OWASP: the second recommendation of RFC 9106 §4 and the
/// defaults of argon2-cffi (65536, 3), multiples of them, and the memory of RFC 9106's first recommendation (2097152,
/// 1).
const LARGER: [(u32, u32); 11] = [
    (47_104, 2),
    (65_536, 1),
    (65_536, 2),
    (65_536, 3),
    (131_072, 1),
    (131_072, 3),
    (262_144, 1),
    (262_144, 3),
    (524_288, 1),
    (1_048_576, 1),
    (2_097_152, 1),
];

/// The costs that are measured, with the one in force, from the weakest.
pub(super) fn costs(in_force: Cost) -> Vec<Cost> {
    let larger = LARGER.into_iter().filter_map(|(memory_kib, iterations)| Cost::new(memory_kib, iterations, 1).ok());
    let mut costs: Vec<_> = Cost::owasp().into_iter().chain(larger).chain([in_force]).collect();
    costs.sort_by_key(|cost| (cost.memory_kib(), cost.iterations(), cost.parallelism()));
    costs.dedup();
    costs
}

/// The budget of hashes.
pub(super) struct Budget {
    pub latency: Duration,
    pub memory_mib: u32,
    pub workers: NonZeroU32,
    /// Whether workers compute two hashes together where there is memory for them.
    pub pairs: bool,
}

impl Budget {
    /// Whether there is memory for such a hash in every worker.
    pub(super) fn has_memory_for(&self, cost: Cost) -> bool {
        self.kib_in_total(cost.memory_kib()) <= u64::from(self.memory_mib) << 10
    }

    /// Whether every worker computes two such hashes together.
    pub(super) fn is_in_pairs(&self, cost: Cost) -> bool {
        let two = cost.memory_kib().saturating_mul(2);
        self.pairs && self.kib_in_total(two) <= u64::from(self.memory_mib) << 10
    }

    /// Memory that a worker needs for such hashes.
    pub(super) fn kib_each(&self, cost: Cost) -> u32 {
        cost.memory_kib().saturating_mul(if self.is_in_pairs(cost) { 2 } else { 1 })
    }

    pub(super) fn kib_in_total(&self, kib_each: u32) -> u64 {
        u64::from(kib_each) * u64::from(self.workers.get())
    }

    pub(super) fn judge(&self, measured: Measured) -> Outcome {
        if measured.together <= self.latency { Outcome::Fits(measured) } else { Outcome::TooSlow(measured) }
    }
}

/// A cost, and its measurements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub cost: Cost,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Fits(Measured),
    TooSlow(Measured),
    /// Not measured: the budget has no memory for it.
    TooLarge,
}

impl Candidate {
    pub(super) fn fits(&self) -> bool {
        matches!(self.outcome, Outcome::Fits(_))
    }

    pub(super) fn measured(&self) -> Option<Measured> {
        match self.outcome {
            Outcome::Fits(measured) | Outcome::TooSlow(measured) => Some(measured),
            Outcome::TooLarge => None,
        }
    }

    pub(super) fn verdict(&self) -> &'static str {
        match self.outcome {
            Outcome::Fits(_) => "fits",
            Outcome::TooSlow(_) => "too slow",
            Outcome::TooLarge => "too large",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_in_force_is_measured_once_and_the_weakest_first() {
        let others = costs(Cost::DEFAULT);
        let with_one_more = costs(Cost::new(50_000, 2, 2).unwrap());
        assert_eq!(others.len() + 1, with_one_more.len());
        assert_eq!(others.len(), Cost::owasp().len() + LARGER.len());
        assert!(with_one_more.is_sorted_by_key(|cost| (cost.memory_kib(), cost.iterations())));
    }

    #[test]
    fn memory_is_that_of_all_workers() {
        let workers = NonZeroU32::new(4).unwrap();
        let budget = Budget { latency: Duration::ZERO, memory_mib: 4 * 46, workers, pairs: true };
        assert!(budget.has_memory_for(Cost::DEFAULT));
        assert!(!budget.has_memory_for(Cost::new(47_105, 1, 1).unwrap()));
        let half = Cost::new(47_104 / 2, 2, 1).unwrap();
        assert!(budget.is_in_pairs(half) && !budget.is_in_pairs(Cost::DEFAULT));
        assert_eq!((budget.kib_each(half), budget.kib_each(Cost::DEFAULT)), (47_104, 47_104));
        assert_eq!(Budget { pairs: false, ..budget }.kib_each(half), 47_104 / 2);
    }
}
