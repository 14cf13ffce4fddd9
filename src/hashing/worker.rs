//! The work of each thread of the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use zeroize::{Zeroizing, zeroize_stack};

use super::admission::Admission;
use super::cost::Parameters;
use super::formats::{Foreign, Method};
use super::kernel::{CantAllocate, CantCompute, Input, Kernel};
use super::phc::{Recipe, Tag};
use super::queue::{Job, Queue, Turn};
use crate::domain::hash_problem::HashPart;
use crate::ports::meter::HashKind;
use crate::ports::{Clock, HasherError, Histogram, Meter};

/// Makes the kernel of a worker, with that much memory in KiB.
pub(super) type NewKernel = dyn Fn(u32) -> Result<Box<dyn Kernel>, CantAllocate> + Send + Sync;

/// Memory of a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerMemory {
    pub kib: u32,
    /// Memory of each hash of a pair, if the worker computes pairs.
    pub pair_kib: Option<u32>,
}

/// A kernel with what it needs to serve the queue.
pub(super) struct Worker<'a> {
    /// `None` after a hash that needed the kernel's memory, or after that memory was lost, until it is needed again.
    pub kernel: Option<Box<dyn Kernel>>,
    pub new_kernel: &'a NewKernel,
    pub memory: WorkerMemory,
    pub clock: &'a dyn Clock,
    pub meter: &'a dyn Meter,
    pub admission: &'a Admission,
    /// Cost of the hashes that admission counts in.
    pub counted: Parameters,
    /// Whether more jobs wait than there are idle workers.
    pub is_under_load: bool,
}

/// Bytes of the stack that are wiped after a hash. Methods keep blocks and states of a few KiB there, and what is larger
/// elsewhere.
const WIPED_STACK: usize = 128 * 1024;

/// Computes a hash, and wipes what it used of the stack: its implementation leaves parts of the password there, for example in
/// blocks of the digest that argon2 begins with.
fn computed<T>(compute: impl FnOnce() -> T) -> thread::Result<T> {
    // Below the frame of the caller, where the wiping begins.
    #[inline(never)]
    fn below<T>(compute: impl FnOnce() -> T) -> thread::Result<T> {
        catch_unwind(AssertUnwindSafe(compute))
    }
    let computed = below(compute);
    zeroize_stack::<WIPED_STACK>();
    computed
}

impl Worker<'_> {
    /// Computes jobs until the queue stops. A panic costs a job its answer, and never the worker.
    pub(super) fn serve(&mut self, queue: &Queue) {
        loop {
            let pair_kib = self.memory.pair_kib.filter(|_| self.admission.pairs_next());
            let Some(Turn { job, second, begun, is_under_load }) = queue.next(self.clock, pair_kib) else { return };
            self.is_under_load = is_under_load;
            let Some(second) = second else {
                let kind = if matches!(job.method, Method::Argon2(_)) { HashKind::Alone } else { HashKind::Foreign };
                self.waited(&job, kind, begun);
                self.serve_one(job, kind, begun);
                continue;
            };
            for job in [&job, &second] {
                self.waited(job, HashKind::Paired, begun);
            }
            // If they fail together, each gets what it gets alone: what is wrong with one does not concern the other.
            let computed = computed(|| self.compute_pair([&job, &second]));
            let tags = computed.ok().flatten().map_or([None, None], |tags| tags.map(Some));
            if tags.iter().any(Option::is_none) {
                tracing::warn!("two hashes were not computed together: each is computed alone");
                self.admission.pair_failed();
            }
            for (job, tag) in [job, second].into_iter().zip(tags) {
                match tag {
                    Some(tag) => self.finish(job, HashKind::Paired, begun, Ok(tag)),
                    None => self.serve_one(job, HashKind::Paired, begun),
                }
            }
        }
    }

    fn serve_one(&mut self, job: Job, kind: HashKind, begun: Instant) {
        let answer = computed(|| self.compute(&job.bytes, &job.method)).unwrap_or_else(|_| {
            tracing::error!("a hash was not computed: the kernel panicked");
            Err(HasherError::Stopped)
        });
        self.finish(job, kind, begun, answer);
    }

    fn waited(&self, job: &Job, kind: HashKind, begun: Instant) {
        self.meter.observe(Histogram::HashWait(kind), begun.saturating_duration_since(job.queued));
    }

    fn finish(&self, job: Job, kind: HashKind, begun: Instant, answer: Result<Tag, HasherError>) {
        let now = self.clock.instant();
        self.meter.observe(Histogram::HashService(kind), now.saturating_duration_since(begun));
        job.slot.finished(now);
        job.answer(answer);
    }

    fn compute_pair(&mut self, jobs: [&Job; 2]) -> Option<[Tag; 2]> {
        let [Method::Argon2(one), Method::Argon2(other)] = jobs.map(|job| &job.method) else { return None };
        self.argon2_pair(jobs.map(|job| job.bytes.as_slice()), [one, other]).ok()
    }

    fn compute(&mut self, password: &[u8], method: &Method) -> Result<Tag, HasherError> {
        match method {
            Method::Argon2(recipe) => self.argon2(password, recipe),
            Method::Foreign(foreign) => self.foreign(password, &**foreign).map_err(|error| self.failed(error)),
            Method::Keyed(keyed) => {
                let made = keyed.of(password).map_err(|error| self.failed(error))?;
                self.compute(&made, &keyed.then)
            }
        }
    }

    /// Computes one argon2 hash, and reports its time to admission if it has the cost that admission counts in.
    pub(super) fn argon2(&mut self, password: &[u8], recipe: &Recipe) -> Result<Tag, HasherError> {
        let (clock, kernel) = (self.clock, self.kernel()?);
        let started = clock.instant();
        let mut tag = Zeroizing::new(vec![0; recipe.tag_bytes]);
        let computed = kernel.compute(&Input::of(password, recipe), &mut tag);
        computed.map_err(|error| self.failed(error))?;
        if recipe.parameters == self.counted {
            let took = self.clock.instant().saturating_duration_since(started);
            self.admission.measured(took, self.is_under_load);
        }
        Ok(tag)
    }

    /// Computes two argon2 hashes together, and reports their time in the same way.
    pub(super) fn argon2_pair(
        &mut self,
        passwords: [&[u8]; 2],
        recipes: [&Recipe; 2],
    ) -> Result<[Tag; 2], HasherError> {
        let (clock, kernel) = (self.clock, self.kernel()?);
        let started = clock.instant();
        let [mut first, mut second] = recipes.map(|recipe| Zeroizing::new(vec![0; recipe.tag_bytes]));
        let ([one, other], [recipe, recipe_of_other]) = (passwords, recipes);
        let inputs = [&Input::of(one, recipe), &Input::of(other, recipe_of_other)];
        let computed = kernel.compute_pair(inputs, [&mut first, &mut second]);
        computed.map_err(|error| self.failed(error))?;
        if recipe.parameters == self.counted {
            self.admission.measured_pair(self.clock.instant().saturating_duration_since(started));
        }
        Ok([first, second])
    }

    /// The kernel, made again if it is absent.
    fn kernel(&mut self) -> Result<&mut dyn Kernel, HasherError> {
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            absent => absent.insert((self.new_kernel)(self.memory.kib).map_err(|error| {
                tracing::error!(%error, "can't allocate the memory of a hash worker again");
                HasherError::Stopped
            })?),
        };
        Ok(&mut **kernel)
    }

    /// Computes one hash of another method. A method that takes memory takes the place of the kernel, so that a worker
    /// never has more than its own.
    fn foreign(&mut self, password: &[u8], foreign: &dyn Foreign) -> Result<Tag, CantCompute> {
        if foreign.takes_memory() {
            self.kernel = None;
        }
        foreign.compute(password)
    }

    /// Maps a failure to the caller's error. The next hash replaces a kernel that has lost its memory.
    fn failed(&mut self, error: CantCompute) -> HasherError {
        match error {
            CantCompute::Input => HasherError::Unreadable(HashPart::Parameters.expected("some that can be computed")),
            CantCompute::Memory => {
                tracing::error!("a hash was not computed: the system has no memory for its worker");
                self.kernel = None;
                HasherError::Stopped
            }
        }
    }
}
