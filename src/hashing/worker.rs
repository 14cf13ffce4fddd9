//! What each thread of the engine does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zeroize::Zeroizing;

use super::admission::Admission;
use super::kernel::{CantCompute, Input, Kernel};
use super::phc::{Recipe, Tag};
use super::queue::{Job, Queue};
use crate::ports::{Clock, HasherError};

/// A kernel with what it needs to serve the queue.
pub(super) struct Worker<'a> {
    pub kernel: &'a mut dyn Kernel,
    pub clock: &'a dyn Clock,
    pub admission: &'a Admission,
}

impl Worker<'_> {
    /// Computes jobs until the queue stops. A panic costs one job, not the worker.
    pub(super) fn serve(&mut self, queue: &Queue) {
        while let Some(Job { password, recipe, slot, reply }) = queue.next() {
            let computed = catch_unwind(AssertUnwindSafe(|| self.compute(password.expose().as_bytes(), &recipe)));
            let answer = match computed {
                Ok(Ok(tag)) => Ok(tag),
                Ok(Err(CantCompute::Input)) => Err(HasherError::Unreadable("its parameters can't be computed")),
                Ok(Err(CantCompute::Memory)) => {
                    tracing::error!("a hash was lost because the system has no memory for a worker");
                    Err(HasherError::Stopped)
                }
                Err(_) => {
                    tracing::error!("a hash was lost to a panic of the kernel");
                    Err(HasherError::Stopped)
                }
            };
            // Given back before the answer, so that who has the answer can be admitted again.
            drop((password, slot));
            // Who waited may have gone meanwhile.
            let _ = reply.send(answer);
        }
    }

    /// Computes one hash, and tells admission how long it took.
    pub(super) fn compute(&mut self, password: &[u8], recipe: &Recipe) -> Result<Tag, CantCompute> {
        let started = self.clock.instant();
        let mut tag = Zeroizing::new(vec![0; recipe.tag_bytes]);
        self.kernel.compute(&Input { password, recipe, secret: &[], associated_data: &[] }, &mut tag)?;
        self.admission.measured(self.clock.instant().saturating_duration_since(started));
        Ok(tag)
    }
}
