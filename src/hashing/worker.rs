//! The work of each thread of the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zeroize::Zeroizing;

use super::admission::Admission;
use super::cost::Parameters;
use super::formats::{Foreign, Method};
use super::kernel::{CantAllocate, CantCompute, Input, Kernel};
use super::phc::{Recipe, Tag};
use super::queue::Queue;
use crate::domain::hash_problem::HashPart;
use crate::ports::{Clock, HasherError};

/// Makes the kernel of a worker.
pub(super) type NewKernel = dyn Fn() -> Result<Box<dyn Kernel>, CantAllocate> + Send + Sync;

/// A kernel with what it needs to serve the queue.
pub(super) struct Worker<'a> {
    /// `None` after a hash that needed the kernel's memory, or after that memory was lost, until it is needed again.
    pub kernel: Option<Box<dyn Kernel>>,
    pub new_kernel: &'a NewKernel,
    pub clock: &'a dyn Clock,
    pub admission: &'a Admission,
    /// Cost of the hashes that admission counts in.
    pub counted: Parameters,
}

impl Worker<'_> {
    /// Computes jobs until the queue stops. A panic costs one job, not the worker.
    pub(super) fn serve(&mut self, queue: &Queue) {
        while let Some(job) = queue.next(self.clock) {
            let password = job.form.of(&job.password);
            let computed = catch_unwind(AssertUnwindSafe(|| self.compute(password, &job.method)));
            let answer = computed.unwrap_or_else(|_| {
                tracing::error!("a hash was not computed: the kernel panicked");
                Err(HasherError::Stopped)
            });
            job.slot.finished(self.clock.instant());
            job.answer(answer);
        }
    }

    fn compute(&mut self, password: &[u8], method: &Method) -> Result<Tag, HasherError> {
        match method {
            Method::Argon2(recipe) => self.argon2(password, recipe),
            Method::Foreign(foreign) => self.foreign(password, &**foreign).map_err(|error| self.failed(error)),
        }
    }

    /// Computes one argon2 hash, and reports its time to admission if it has the cost that admission counts in.
    pub(super) fn argon2(&mut self, password: &[u8], recipe: &Recipe) -> Result<Tag, HasherError> {
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            absent => absent.insert((self.new_kernel)().map_err(|error| {
                tracing::error!(%error, "can't allocate the memory of a hash worker again");
                HasherError::Stopped
            })?),
        };
        let started = self.clock.instant();
        let mut tag = Zeroizing::new(vec![0; recipe.tag_bytes]);
        let input = Input { password, recipe, secret: &[], associated_data: &[] };
        let computed = kernel.compute(&input, &mut tag);
        computed.map_err(|error| self.failed(error))?;
        if recipe.parameters == self.counted {
            self.admission.measured(self.clock.instant().saturating_duration_since(started));
        }
        Ok(tag)
    }

    /// Computes one hash of another method. A method that takes memory takes the place of the kernel, so that a worker
    /// never has more than the ceiling.
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
