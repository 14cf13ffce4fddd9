//! Cost of a hash: argon2's parameters, and their bounds.

use std::num::NonZeroU32;

use crate::domain::hash_problem::HashProblem;

/// Argon2's three parameters (RFC 9106 §3.1), valid or not.
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
    /// Number of 1 KiB blocks that are filled.
    pub(super) const fn work(self) -> u64 {
        (self.memory_kib as u64).saturating_mul(self.iterations as u64)
    }
}

/// Cost of new hashes: at least one line of the OWASP list, and no more than a service can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost(Parameters);

/// Minimum pairs of memory and passes (OWASP Password Storage Cheat Sheet, "Argon2id"; all with p=1).
pub(super) const OWASP_LINES: [(u32, u32); 5] =
    [(46 * 1024, 1), (19 * 1024, 2), (12 * 1024, 3), (9 * 1024, 4), (7 * 1024, 5)];

/// The same for ASVS 5.0, appendix C, "Argon2id"; the last line is for three or more passes.
const ASVS_LINES: [(u32, u32); 3] = [(46 * 1024, 1), (19 * 1024, 2), (12 * 1024, 3)];

/// Maximum memory: the first recommendation of RFC 9106 §4.
const MAX_MEMORY_KIB: u32 = 2 * 1024 * 1024;
const MAX_ITERATIONS: u32 = 64;
const MAX_PARALLELISM: u32 = 16;

impl Cost {
    /// m=47104 KiB, t=1, p=1: on the OWASP list, and the ASVS 5.0 line for t=1 (appendix C).
    pub const DEFAULT: Self = Self(Parameters { memory_kib: 47_104, iterations: 1, parallelism: 1 });

    /// Checks argon2's parameters.
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
        if !reaches(&OWASP_LINES, memory_kib, iterations) {
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

    /// The lines of the OWASP list, starting with the one with the most memory.
    pub fn owasp() -> [Self; 5] {
        OWASP_LINES.map(|(memory_kib, iterations)| Self(Parameters { memory_kib, iterations, parallelism: 1 }))
    }

    /// Whether it reaches a line of ASVS 5.0, appendix C. Every cost reaches a line of the OWASP list.
    pub fn meets_asvs(self) -> bool {
        reaches(&ASVS_LINES, self.0.memory_kib, self.0.iterations)
    }

    pub(super) const fn parameters(self) -> Parameters {
        self.0
    }
}

fn reaches(lines: &[(u32, u32)], memory_kib: u32, iterations: u32) -> bool {
    lines.iter().any(|(memory, passes)| memory_kib >= *memory && iterations >= *passes)
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
        /// The requested memory.
        memory_kib: u32,
        /// The requested passes.
        iterations: u32,
    },
    /// New hashes could not be verified.
    #[error(
        "hashes of up to {ceiling_kib} KiB could be verified, and new hashes have {memory_kib} KiB; \
         raise the ceiling to that or leave it out"
    )]
    CeilingTooLow {
        /// The requested ceiling.
        ceiling_kib: u32,
        /// The memory of a new hash.
        memory_kib: u32,
    },
    /// A parameter is out of range.
    #[error("argon2's {parameter} must be between 1 and {max}, found {found}")]
    OutOfRange {
        /// The parameter.
        parameter: &'static str,
        /// Its maximum.
        max: u32,
        /// The requested value.
        found: u32,
    },
}

/// Maximum cost of verifying a stored hash: no imported or altered string takes more memory or time. Each worker has
/// this much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling(Parameters);

impl Ceiling {
    /// Above everything that any engine verifies.
    pub(super) const HIGHEST: Self =
        Self(Parameters { memory_kib: u32::MAX, iterations: u32::MAX, parallelism: u32::MAX });

    /// The ceiling of an engine that makes hashes of that cost. It is never below the default cost, nor below the
    /// passes and lanes in use elsewhere, so that lowering the cost among the OWASP lines locks no subject out.
    pub fn of(cost: Cost) -> Self {
        Self(Parameters {
            memory_kib: cost.memory_kib().max(Cost::DEFAULT.memory_kib()),
            iterations: cost.iterations().max(16),
            parallelism: cost.parallelism().max(MAX_PARALLELISM),
        })
    }

    /// Like [`Ceiling::of`], with the given memory: more, so that hashes from elsewhere can be verified, or less, so
    /// that a worker takes less. Without a value, the same as [`Ceiling::of`].
    ///
    /// # Errors
    /// New hashes could not be verified.
    pub fn new(cost: Cost, memory_kib: Option<NonZeroU32>) -> Result<Self, CostError> {
        let Self(usual) = Self::of(cost);
        let memory_kib = memory_kib.map_or(usual.memory_kib, NonZeroU32::get);
        if memory_kib < cost.memory_kib() {
            return Err(CostError::CeilingTooLow { ceiling_kib: memory_kib, memory_kib: cost.memory_kib() });
        }
        if memory_kib > MAX_MEMORY_KIB {
            let parameter = "memory in KiB";
            return Err(CostError::OutOfRange { parameter, max: MAX_MEMORY_KIB, found: memory_kib });
        }
        Ok(Self(Parameters { memory_kib, ..usual }))
    }

    /// The memory of the largest hash, in KiB.
    pub const fn memory_kib(self) -> u32 {
        self.0.memory_kib
    }

    /// Refuses parameters that argon2 does not define or that cost too much.
    pub(super) fn check(self, parameters: Parameters) -> Result<(), HashProblem> {
        let Parameters { memory_kib, iterations, parallelism } = parameters;
        HashProblem::unless_within("passes (t)", 1, self.0.iterations.into(), iterations.into())?;
        HashProblem::unless_within("lanes (p)", 1, self.0.parallelism.into(), parallelism.into())?;
        let (found, least) = (u64::from(memory_kib), 8 * u64::from(parallelism));
        if found < least {
            let (what, max) = ("memory (m) in KiB", self.0.memory_kib.into());
            return Err(HashProblem::OutOfRange { what, min: least, max, found });
        }
        self.check_bytes(found * 1024)
    }

    /// Refuses more memory than a worker has.
    pub(super) fn check_bytes(self, bytes: u64) -> Result<(), HashProblem> {
        let (found_kib, max_kib) = (bytes.div_ceil(1024), self.0.memory_kib.into());
        HashProblem::unless_within("memory in KiB", 0, MAX_MEMORY_KIB.into(), found_kib)?;
        if found_kib > max_kib { Err(HashProblem::AboveCeiling { max_kib, found_kib }) } else { Ok(()) }
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

    #[test]
    fn a_ceiling_is_raised_for_hashes_from_elsewhere_and_never_below_new_ones() {
        let cffi = Parameters { memory_kib: 65_536, iterations: 3, parallelism: 4 };
        assert!(Ceiling::of(Cost::DEFAULT).check(cffi).is_err());
        assert_eq!(Ceiling::new(Cost::DEFAULT, NonZeroU32::new(65_536)).unwrap().check(cffi), Ok(()));
        assert_eq!(Ceiling::new(Cost::DEFAULT, None), Ok(Ceiling::of(Cost::DEFAULT)));
        let low = Ceiling::new(Cost::DEFAULT, NonZeroU32::new(47_103));
        assert_eq!(low, Err(CostError::CeilingTooLow { ceiling_kib: 47_103, memory_kib: 47_104 }));
        assert!(Ceiling::new(Cost::DEFAULT, NonZeroU32::new(u32::MAX)).is_err());
    }

    #[test]
    fn the_lines_of_asvs_are_some_of_the_owasp_list() {
        assert_eq!(Cost::owasp().map(Cost::meets_asvs), [true, true, true, false, false]);
    }
}
