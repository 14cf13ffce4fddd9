//! The engine: starts the workers, admits hashes, hands them over.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use argon2::{Algorithm, Version};
use async_trait::async_trait;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::admission::{Admission, Reservation};
use super::cost::{Ceiling, Cost};
use super::kernel::{CantAllocate, Kernel, KernelChoice, KernelSetting};
use super::memory::{self, Arenas, TooLittleMemory};
use super::phc::{Phc, Recipe, Tag};
use super::queue::{Job, Queue};
use super::worker::Worker;
use crate::domain::credential::PasswordHash;
use crate::domain::names::TenantName;
use crate::domain::password::Password;
use crate::ports::{AdmittedHashes, Clock, Deadline, Entropy, Hasher, HasherError, NotAdmitted, SALT_BYTES, Salt};

/// Bytes of the tags that are made (RFC 9106 §4).
pub(super) const TAG_BYTES: usize = 32;

/// How the engine works.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// What new hashes cost.
    pub cost: Cost,
    /// What stored hashes may cost at most.
    pub ceiling: Ceiling,
    /// Which kernel is asked for.
    pub kernel: KernelSetting,
    /// How many hashes are computed at a time; one for each usable CPU where absent.
    pub workers: Option<NonZeroUsize>,
    /// With more work than this ahead, nothing is admitted.
    pub longest_wait: Duration,
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The arenas don't fit.
    #[error(transparent)]
    TooLittleMemory(#[from] TooLittleMemory),
    /// An arena can't be allocated.
    #[error("the memory of a hash worker can't be allocated: {0}")]
    Allocation(#[from] CantAllocate),
    /// A thread can't be started.
    #[error("a hash worker can't be started: {0}")]
    Thread(#[from] io::Error),
    /// The first hash failed.
    #[error("a hash worker failed its first hash")]
    WarmUp,
}

/// Computes every argon2 hash of the process. Dropping it stops the workers, after the hashes that are running.
pub struct HashEngine {
    shared: Arc<Shared>,
    kernel: KernelChoice,
    decoy: PasswordHash,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    cost: Cost,
    ceiling: Ceiling,
    clock: Arc<dyn Clock>,
    admission: Arc<Admission>,
    queue: Queue,
}

impl HashEngine {
    /// Starts the workers, and returns when each has computed its first hash: the decoy.
    ///
    /// # Errors
    /// The arenas don't fit into memory, or a worker does not start.
    pub fn start(settings: EngineSettings, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self, EngineError> {
        let EngineSettings { cost, ceiling, kernel, .. } = settings;
        let choice = KernelChoice::new(kernel, cost, entropy);
        match kernel {
            KernelSetting::Auto if choice.is_portable() => tracing::warn!(kernel = %choice, "hash kernel"),
            _ => tracing::info!(kernel = %choice, "hash kernel"),
        }
        let new_kernel = move || choice.kernel(ceiling.memory_kib());
        Self::start_with(settings, choice, clock, entropy, memory::available_bytes(), new_kernel)
    }

    /// The kernel that computes the hashes.
    pub fn kernel(&self) -> KernelChoice {
        self.kernel
    }

    fn start_with(
        settings: EngineSettings,
        kernel: KernelChoice,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        available_bytes: Option<u64>,
        new_kernel: impl Fn() -> Result<Box<dyn Kernel>, CantAllocate> + Clone + Send + 'static,
    ) -> Result<Self, EngineError> {
        let EngineSettings { cost, ceiling, workers, longest_wait, .. } = settings;
        let workers = workers.map_or_else(usable_cpus, |workers| workers.try_into().unwrap_or(NonZeroU32::MAX));
        let arenas = Arenas { count: workers, kib_each: ceiling.memory_kib() };
        arenas.check(available_bytes)?;
        tracing::info!(workers, mib_each = arenas.mib_each(), mib_in_total = arenas.mib_in_total(), "hash memory");

        let admission = Arc::new(Admission::new(workers, longest_wait));
        let shared = Arc::new(Shared { cost, ceiling, clock, admission, queue: Queue::default() });
        let (mut password, mut salt) = (Zeroizing::new([0; 32]), [0; SALT_BYTES]);
        entropy.fill(&mut *password);
        entropy.fill(&mut salt);
        let recipe = shared.recipe(salt);

        // From here on a drop stops what was started.
        let mut engine = Self { shared, kernel, decoy: PasswordHash::new(String::new()), workers: Vec::new() };
        let (ready, first_hashes) = mpsc::channel();
        for number in 0..workers.get() {
            let (shared, new_kernel, ready) = (Arc::clone(&engine.shared), new_kernel.clone(), ready.clone());
            let (password, recipe) = (password.clone(), recipe.clone());
            let work = move || match new_kernel() {
                Ok(mut kernel) => shared.work(&mut *kernel, password.as_slice(), &recipe, ready),
                Err(error) => drop(ready.send(Err(error.into()))),
            };
            engine.workers.push(thread::Builder::new().name(format!("hash-{number}")).spawn(work)?);
        }
        // A worker that panics drops its end, which must be the last.
        drop(ready);
        for _ in 0..workers.get() {
            let tag = first_hashes.recv().unwrap_or(Err(EngineError::WarmUp))?;
            engine.decoy = PasswordHash::new(Phc { recipe: recipe.clone(), tag }.to_string());
        }
        Ok(engine)
    }
}

impl Hasher for HashEngine {
    /// Tenants are served in the order in which they come.
    fn admit(
        &self,
        _tenant: &TenantName,
        count: u32,
        deadline: Deadline,
    ) -> Result<Box<dyn AdmittedHashes>, NotAdmitted> {
        let remaining = deadline.remaining(self.shared.clock.instant());
        let reservation = self.shared.admission.admit(count, remaining)?;
        Ok(Box::new(Admitted { shared: Arc::clone(&self.shared), reservation }))
    }

    fn decoy(&self) -> PasswordHash {
        self.decoy.clone()
    }
}

impl Drop for HashEngine {
    fn drop(&mut self) {
        self.shared.queue.stop();
        for worker in self.workers.drain(..) {
            // A worker that panicked has nothing left to say.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// What new hashes are made by.
    fn recipe(&self, salt: Salt) -> Recipe {
        Recipe {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            parameters: self.cost.parameters(),
            salt: salt.to_vec(),
            tag_bytes: TAG_BYTES,
        }
    }

    /// A worker's life: a first hash, which also tells how long one takes, then the queue.
    fn work(
        &self,
        kernel: &mut dyn Kernel,
        password: &[u8],
        recipe: &Recipe,
        ready: mpsc::Sender<Result<Tag, EngineError>>,
    ) {
        let mut worker = Worker { kernel, clock: &*self.clock, admission: &self.admission };
        let first_hash = worker.compute(password, recipe).map_err(|_| EngineError::WarmUp);
        let started = ready.send(first_hash).is_ok();
        drop(ready);
        if started {
            worker.serve(&self.queue);
        }
    }
}

/// Hashes of one request.
struct Admitted {
    shared: Arc<Shared>,
    reservation: Reservation,
}

impl Admitted {
    async fn compute(&self, password: Arc<Password>, recipe: Recipe) -> Result<Tag, HasherError> {
        let slot = self.reservation.take().ok_or(HasherError::NotAdmitted)?;
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(Job { password, recipe, slot, reply });
        answer.await.unwrap_or(Err(HasherError::Stopped))
    }
}

#[async_trait]
impl AdmittedHashes for Admitted {
    async fn verify(&self, password: Arc<Password>, hash: &PasswordHash) -> Result<bool, HasherError> {
        let stored = Phc::parse(hash.expose(), self.shared.ceiling).map_err(HasherError::Unreadable)?;
        let tag = self.compute(password, stored.recipe.clone()).await?;
        Ok(stored.is_of(&tag))
    }

    async fn hash(&self, password: Arc<Password>, salt: Salt) -> Result<PasswordHash, HasherError> {
        let recipe = self.shared.recipe(salt);
        let tag = self.compute(password, recipe.clone()).await?;
        Ok(PasswordHash::new(Phc { recipe, tag }.to_string()))
    }
}

/// As many workers as an engine has where nothing else is asked for: one for each CPU that the process may use.
pub fn usable_cpus() -> NonZeroU32 {
    thread::available_parallelism().ok().and_then(|cpus| cpus.try_into().ok()).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests;
