//! Measures what hashes cost on this machine: the kernels without queue and admission, to choose a cost or to
//! benchmark.

use std::num::NonZeroU32;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::cost::Cost;
use super::kernel::{CantAllocate, CantCompute, Input, Kernel, KernelChoice};
use super::memory::{self, Arenas, TooLittleMemory};
use super::phc::{NEW_TAG_BYTES, Recipe};
use crate::ports::{Clock, Salt};

/// A password and a salt that no subject has.
const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: Salt = [1; 16];

/// Minimum number of hashes or pairs to measure.
const LEAST_TURNS: u32 = 3;

/// A kernel with its memory.
pub struct BareKernel(Box<dyn Kernel>);

impl BareKernel {
    /// Makes a kernel with memory for hashes of that size.
    ///
    /// # Errors
    /// The system does not have that much memory.
    pub fn new(choice: KernelChoice, memory_kib: u32) -> Result<Self, CantAllocate> {
        choice.kernel(memory_kib).map(Self)
    }

    /// Computes the tag of a new hash.
    ///
    /// # Errors
    /// The cost needs more memory than the kernel has.
    pub fn hash(&mut self, cost: Cost, password: &[u8], salt: Salt) -> Result<[u8; NEW_TAG_BYTES], CantCompute> {
        let (recipe, mut tag) = (Recipe::of_new(cost, salt), [0; NEW_TAG_BYTES]);
        self.0.compute(&Input::of(password, &recipe), &mut tag)?;
        Ok(tag)
    }

    /// Computes the tags of two new hashes together.
    ///
    /// # Errors
    /// Two of that cost need more memory than the kernel has.
    pub fn hash_pair(
        &mut self,
        cost: Cost,
        passwords: [&[u8]; 2],
        salt: Salt,
    ) -> Result<[[u8; NEW_TAG_BYTES]; 2], CantCompute> {
        let (recipe, [mut first, mut second]) = (Recipe::of_new(cost, salt), [[0; NEW_TAG_BYTES]; 2]);
        let [one, other] = passwords.map(|password| Input::of(password, &recipe));
        self.0.compute_pair([&one, &other], [&mut first, &mut second])?;
        Ok([first, second])
    }
}

/// How long a hash takes.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// While no other is computed.
    pub alone: Duration,
    /// While every worker computes one, or two together.
    pub together: Duration,
    /// Number of hashes that all workers compute per second.
    pub per_second: f64,
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The arenas don't fit.
    #[error(transparent)]
    TooLittleMemory(#[from] TooLittleMemory),
    /// An arena can't be allocated.
    #[error("the memory of a hash worker can't be allocated: {0}")]
    Allocation(#[from] CantAllocate),
    /// A kernel does not compute.
    #[error(transparent)]
    Kernel(#[from] CantCompute),
    /// A kernel panicked.
    #[error("a kernel panicked")]
    Panicked,
}

/// As many kernels as an engine has workers, to measure costs with.
pub struct Gauge<'a> {
    kernels: Vec<BareKernel>,
    clock: &'a dyn Clock,
}

impl<'a> Gauge<'a> {
    /// Makes the kernels, with that much memory.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn new(
        choice: KernelChoice,
        workers: NonZeroU32,
        memory_kib: u32,
        clock: &'a dyn Clock,
    ) -> Result<Self, MeasureError> {
        Arenas { count: workers, kib_each: memory_kib }.check(memory::available_bytes())?;
        let kernels = (0..workers.get()).map(|_| BareKernel::new(choice, memory_kib)).collect::<Result<_, _>>()?;
        Ok(Self { kernels, clock })
    }

    /// Measures a cost: first one kernel alone, then all together, each for at least that long; with `in_pairs`, all
    /// compute two hashes at a time.
    ///
    /// # Errors
    /// The cost needs more memory than the kernels have.
    pub fn measure(&mut self, cost: Cost, in_pairs: bool, at_least: Duration) -> Result<Measured, MeasureError> {
        let Self { kernels, clock } = self;
        let start = Barrier::new(1);
        let alone = match kernels.first_mut() {
            Some(kernel) => run(kernel, cost, false, at_least, *clock, &start)?.mean(),
            None => Duration::ZERO,
        };
        let start = Barrier::new(kernels.len());
        let runs = thread::scope(|scope| {
            let (start, clock) = (&start, *clock);
            let running: Vec<_> = kernels
                .iter_mut()
                .map(|kernel| scope.spawn(move || run(kernel, cost, in_pairs, at_least, clock, start)))
                .collect();
            let ended = running.into_iter().map(|run| run.join().map_err(|_| MeasureError::Panicked));
            ended.map(|run| Ok(run??)).collect::<Result<Vec<_>, MeasureError>>()
        })?;
        let together = runs.iter().map(Run::mean).sum::<Duration>() / u32::try_from(runs.len()).unwrap_or(1);
        let hashes_at_a_time = if in_pairs { 2.0 } else { 1.0 };
        let per_second = runs.iter().map(|run| hashes_at_a_time * f64::from(run.turns) / run.took.as_secs_f64()).sum();
        Ok(Measured { alone, together, per_second })
    }
}

/// Hashes or pairs that one kernel computed.
struct Run {
    turns: u32,
    took: Duration,
}

impl Run {
    fn mean(&self) -> Duration {
        self.took / self.turns.max(1)
    }
}

fn run(
    kernel: &mut BareKernel,
    cost: Cost,
    in_pairs: bool,
    at_least: Duration,
    clock: &dyn Clock,
    start: &Barrier,
) -> Result<Run, CantCompute> {
    start.wait();
    let began = clock.instant();
    let mut turns = 0;
    loop {
        if in_pairs {
            kernel.hash_pair(cost, [PASSWORD; 2], SALT)?;
        } else {
            kernel.hash(cost, PASSWORD, SALT)?;
        }
        turns += 1;
        let took = clock.instant().saturating_duration_since(began);
        if turns >= LEAST_TURNS && took >= at_least {
            return Ok(Run { turns, took });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemClock;

    #[test]
    fn every_worker_counts() {
        let choice = KernelChoice::portable("a test");
        let cost = Cost::new(7168, 5, 1).unwrap();
        let mut gauge = Gauge::new(choice, NonZeroU32::new(2).unwrap(), 7168, &SystemClock).unwrap();
        let Measured { alone, together, per_second } = gauge.measure(cost, false, Duration::ZERO).unwrap();
        assert!(alone > Duration::ZERO && together > Duration::ZERO);
        assert!(per_second > 1.5 / together.as_secs_f64(), "{per_second} with {together:?} each");
        assert!(matches!(
            gauge.measure(Cost::DEFAULT, false, Duration::ZERO),
            Err(MeasureError::Kernel(CantCompute::Input))
        ));
    }
}
