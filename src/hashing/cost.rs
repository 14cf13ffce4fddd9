//! What a hash costs: argon2's parameters, and the bounds on them.

/// Argon2's three parameters (RFC 9106 §3.1), whether good or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameters {
    /// m: memory in KiB.
    pub memory_kib: u32,
    /// t: passes over the memory.
    pub iterations: u32,
    /// p: lanes.
    pub parallelism: u32,
}

impl Parameters {
    /// The blocks of 1 KiB that are filled.
    pub(super) const fn work(self) -> u64 {
        (self.memory_kib as u64).saturating_mul(self.iterations as u64)
    }
}

/// What new hashes cost: at least as much as one line of the OWASP list, and no more than a service can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost(Parameters);

/// Least memory and passes together (OWASP Password Storage Cheat Sheet, "Argon2id"; all with p=1).
const OWASP_LINES: [(u32, u32); 5] = [(46 * 1024, 1), (19 * 1024, 2), (12 * 1024, 3), (9 * 1024, 4), (7 * 1024, 5)];

/// The most memory: RFC 9106 §4's first recommendation.
const MAX_MEMORY_KIB: u32 = 2 * 1024 * 1024;
const MAX_ITERATIONS: u32 = 64;
const MAX_PARALLELISM: u32 = 16;

impl Cost {
    /// m=47104 KiB, t=1, p=1: on the OWASP list, and the ASVS 5.0 line for t=1 (appendix C).
    pub const DEFAULT: Self = Self(Parameters { memory_kib: 47_104, iterations: 1, parallelism: 1 });

    /// Takes argon2's parameters.
    ///
    /// # Errors
    /// They are below every line of the OWASP list, or absurdly high.
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, CostError> {
        let bounded = [
            ("iterations", iterations, MAX_ITERATIONS),
            ("parallelism", parallelism, MAX_PARALLELISM),
            ("memory in KiB", memory_kib, MAX_MEMORY_KIB),
        ];
        for (parameter, found, max) in bounded {
            if found == 0 || found > max {
                return Err(CostError::OutOfRange { parameter, max, found });
            }
        }
        if !OWASP_LINES.iter().any(|(memory, passes)| memory_kib >= *memory && iterations >= *passes) {
            return Err(CostError::TooWeak { memory_kib, iterations });
        }
        Ok(Self(Parameters { memory_kib, iterations, parallelism }))
    }

    /// Memory in KiB.
    pub const fn memory_kib(self) -> u32 {
        self.0.memory_kib
    }

    /// Passes over the memory.
    pub const fn iterations(self) -> u32 {
        self.0.iterations
    }

    /// Lanes.
    pub const fn parallelism(self) -> u32 {
        self.0.parallelism
    }

    pub(super) const fn parameters(self) -> Parameters {
        self.0
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a cost is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// Below every line of the OWASP list.
    #[error(
        "argon2 with {memory_kib} KiB and {iterations} iterations is below every line of the OWASP list: \
         47104 KiB with 1, 19456 KiB with 2, 12288 KiB with 3, 9216 KiB with 4, or 7168 KiB with 5"
    )]
    TooWeak {
        /// The memory that was asked for.
        memory_kib: u32,
        /// The passes that were asked for.
        iterations: u32,
    },
    /// One parameter is out of its range.
    #[error("argon2's {parameter} is between 1 and {max}, found {found}")]
    OutOfRange {
        /// Which one.
        parameter: &'static str,
        /// The most.
        max: u32,
        /// What was asked for.
        found: u32,
    },
}

/// The most that verifying a stored hash may cost: no imported or altered string takes more memory or time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling(Parameters);

impl Ceiling {
    /// The ceiling of an engine that makes hashes of that cost. It is never below the default cost and the passes and
    /// lanes that are in use elsewhere, so that a cost which is lowered among the OWASP lines locks nobody out.
    pub(super) fn of(cost: Cost) -> Self {
        Self(Parameters {
            memory_kib: cost.memory_kib().max(Cost::DEFAULT.memory_kib()),
            iterations: cost.iterations().max(16),
            parallelism: cost.parallelism().max(MAX_PARALLELISM),
        })
    }

    /// Blocks of 1 KiB that a hash takes at most.
    pub(super) const fn blocks(self) -> usize {
        self.0.memory_kib as usize
    }

    /// Bytes that a hash takes at most.
    pub(super) const fn bytes(self) -> u64 {
        self.0.memory_kib as u64 * 1024
    }

    /// Refuses parameters that argon2 does not define or that cost too much.
    pub(super) fn check(self, parameters: Parameters) -> Result<(), &'static str> {
        let Parameters { memory_kib, iterations, parallelism } = parameters;
        if parallelism == 0 || iterations == 0 || u64::from(memory_kib) < 8 * u64::from(parallelism) {
            return Err("argon2 does not define its parameters");
        }
        if memory_kib > self.0.memory_kib || iterations > self.0.iterations || parallelism > self.0.parallelism {
            return Err("it costs more than the hash engine allows");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_owasp_list_is_accepted_and_just_below_it_is_not() {
        for (memory_kib, iterations) in OWASP_LINES {
            assert!(Cost::new(memory_kib, iterations, 1).is_ok());
            assert!(matches!(Cost::new(memory_kib - 1, iterations, 1), Err(CostError::TooWeak { .. })));
        }
        assert!(matches!(Cost::new(7 * 1024 - 1, 64, 1), Err(CostError::TooWeak { .. })));
        assert!(Cost::new(65_536, 3, 4).is_ok());
    }

    #[test]
    fn absurd_costs_are_refused_with_the_bound() {
        for (memory_kib, iterations, parallelism, bound) in
            [(u32::MAX, 1, 1, "2097152"), (47_104, u32::MAX, 1, "64"), (47_104, 1, 17, "16"), (47_104, 1, 0, "16")]
        {
            let error = Cost::new(memory_kib, iterations, parallelism).unwrap_err();
            assert!(error.to_string().contains(bound), "{error}");
        }
    }

    #[test]
    fn lowering_the_cost_among_the_owasp_lines_keeps_older_hashes_verifiable() {
        let lowest = Ceiling::of(Cost::new(7 * 1024, 5, 1).unwrap());
        for (memory_kib, iterations) in OWASP_LINES {
            assert_eq!(lowest.check(Parameters { memory_kib, iterations, parallelism: 1 }), Ok(()));
        }
    }
}
