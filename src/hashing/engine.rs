//! The engine: starts the workers, admits hashes, and passes them to the workers.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use zeroize::Zeroizing;

use super::admission::Admission;
use super::cost::{Ceiling, Cost};
use super::formats::Stored;
use super::kernel::{CantAllocate, Kernel, KernelChoice, KernelSetting};
use super::memory::{self, Arenas, TooLittleMemory};
use super::phc::{Phc, Recipe, Tag};
use super::queue::{Fate, Form, Queue};
use super::worker::{NewKernel, Worker, WorkerMemory};
use crate::domain::credential::PasswordHash;
use crate::domain::hash_problem::HashProblem;
use crate::domain::names::TenantName;
use crate::domain::opt_in_algorithm::AllowedAlgorithms;
use crate::domain::password::Password;
use crate::ports::{
    AdmittedHashes, Clock, Deadline, EngineFigures, Entropy, HashDescription, Hasher, HasherFigures, NotAdmitted,
    SALT_BYTES,
};

mod admitted;

use admitted::Admitted;

/// Settings of the engine.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// Cost of new hashes.
    pub cost: Cost,
    /// Maximum cost of stored hashes.
    pub ceiling: Ceiling,
    /// The requested kernel.
    pub kernel: KernelSetting,
    /// Number of threads that compute hashes. Default: one for each usable CPU.
    pub workers: Option<NonZeroUsize>,
    /// Whether a worker computes two hashes together under load, where the kernel can and the memory is there.
    pub pairs: bool,
    /// If the expected wait is longer than this, nothing is admitted.
    pub longest_wait: Duration,
    /// Algorithms of imported hashes that are refused otherwise.
    pub allowed: AllowedAlgorithms,
}

impl EngineSettings {
    /// The usual settings with that cost, and no limit on the wait.
    pub fn of(cost: Cost) -> Self {
        Self {
            cost,
            ceiling: Ceiling::of(cost),
            kernel: KernelSetting::Auto,
            workers: None,
            pairs: true,
            longest_wait: Duration::MAX,
            allowed: AllowedAlgorithms::default(),
        }
    }
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

/// Computes every password hash of the process. Dropping it stops the workers after their running hashes.
pub struct HashEngine {
    shared: Arc<Shared>,
    kernel: KernelChoice,
    arenas: Arenas,
    decoy: PasswordHash,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    cost: Cost,
    ceiling: Ceiling,
    allowed: AllowedAlgorithms,
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
        let EngineSettings { cost, kernel, .. } = settings;
        let choice = KernelChoice::new(kernel, cost, entropy);
        let (name, instructions, reason) = (choice.name(), choice.instructions(), choice.reason());
        match kernel {
            KernelSetting::Auto if choice.is_portable() => tracing::warn!(name, instructions, reason, "hash kernel"),
            _ => tracing::info!(name, instructions, reason, "hash kernel"),
        }
        let new_kernel: Arc<NewKernel> = Arc::new(move |memory_kib| choice.kernel(memory_kib));
        Self::start_with(settings, choice, clock, entropy, memory::available_bytes(), &new_kernel)
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
        new_kernel: &Arc<NewKernel>,
    ) -> Result<Self, EngineError> {
        let EngineSettings { cost, ceiling, workers, pairs, longest_wait, allowed, .. } = settings;
        let workers = workers.map_or_else(usable_cpus, |workers| workers.try_into().unwrap_or(NonZeroU32::MAX));
        let alone = Arenas { count: workers, kib_each: ceiling.memory_kib() };
        let for_pairs = Arenas { kib_each: ceiling.memory_kib().max(cost.memory_kib().saturating_mul(2)), ..alone };
        let pairs = pairs && kernel.interleaves() && for_pairs.fit(available_bytes);
        let arenas = if pairs { for_pairs } else { alone };
        arenas.check(available_bytes)?;
        tracing::info!(
            workers,
            pairs,
            mib_each = arenas.mib_each(),
            mib_in_total = arenas.mib_in_total(),
            "hash memory"
        );
        let memory = WorkerMemory { kib: arenas.kib_each, pair_kib: pairs.then_some(arenas.kib_each / 2) };

        let admission = Arc::new(Admission::new(workers, pairs, longest_wait));
        let shared = Arc::new(Shared { cost, ceiling, allowed, clock, admission, queue: Queue::default() });
        let (mut password, mut salt) = (Zeroizing::new([0; 32]), [0; SALT_BYTES]);
        entropy.fill(&mut *password);
        entropy.fill(&mut salt);
        let recipe = Recipe::of_new(cost, salt);

        // From here on, a drop stops the workers that were started.
        let mut engine = Self { shared, kernel, arenas, decoy: PasswordHash::new(String::new()), workers: Vec::new() };
        let (ready, first_hashes) = mpsc::channel();
        for number in 0..workers.get() {
            let (shared, new_kernel, ready) = (Arc::clone(&engine.shared), Arc::clone(new_kernel), ready.clone());
            let (password, recipe) = (password.clone(), recipe.clone());
            let work = move || match new_kernel(memory.kib) {
                Ok(kernel) => shared.work(kernel, (&*new_kernel, memory), password.as_slice(), &recipe, ready),
                Err(error) => drop(ready.send(Err(error.into()))),
            };
            engine.workers.push(thread::Builder::new().name(format!("hash-{number}")).spawn(work)?);
        }
        // A worker that panics drops its sender, which must be the last one.
        drop(ready);
        for _ in 0..workers.get() {
            let tag = first_hashes.recv().unwrap_or(Err(EngineError::WarmUp))?;
            engine.decoy = PasswordHash::new(Phc { recipe: recipe.clone(), tag }.to_string());
        }
        Ok(engine)
    }
}

impl Hasher for HashEngine {
    fn admit(
        &self,
        tenant: &TenantName,
        count: u32,
        deadline: Deadline,
    ) -> Result<Arc<dyn AdmittedHashes>, NotAdmitted> {
        let remaining = deadline.remaining(self.shared.clock.instant());
        let reservation = self.shared.admission.admit(tenant, count, remaining)?;
        let before = |time| deadline.instant().checked_sub(time).unwrap_or(deadline.instant());
        let fate = Fate::new(before(reservation.own_time()), before(reservation.own_time_in_pairs()));
        let (tenant, fate) = (tenant.clone(), Arc::new(fate));
        Ok(Arc::new(Admitted { shared: Arc::clone(&self.shared), tenant, reservation, fate }))
    }

    fn cost_of(&self, password: &Password, hash: &PasswordHash) -> u32 {
        let Ok(stored) = self.shared.read(hash) else { return 1 };
        self.shared.tries(&stored, password).map(|(_, count)| count).fold(0, u32::saturating_add)
    }

    fn is_upgradable(&self, password: &Password, hash: &PasswordHash) -> bool {
        let Ok(stored) = self.shared.read(hash) else { return false };
        let is_whole =
            [Form::Normalized, Form::AsReceived].iter().all(|form| stored.method.takes_all_of(form.of(password)));
        is_whole && password.may_be_new() && stored.is_weaker_than(&self.shared.today())
    }

    fn imported(&self, hash: &PasswordHash) -> Result<PasswordHash, HashProblem> {
        let stored = self.shared.read(hash)?;
        match stored.method.opt_in() {
            Some(algorithm) if !self.shared.allowed.allows(algorithm) => Err(HashProblem::NotAllowed(algorithm)),
            _ => Ok(PasswordHash::new(stored.to_string())),
        }
    }

    fn describe(&self, hash: &PasswordHash) -> HashDescription {
        match self.shared.read(hash) {
            Ok(stored) => {
                let (algorithm, parameters) = stored.method.description();
                HashDescription { algorithm, parameters, is_below_target: stored.is_weaker_than(&self.shared.today()) }
            }
            Err(_) => HashDescription::unreadable(),
        }
    }

    fn decoy(&self) -> PasswordHash {
        self.decoy.clone()
    }
}

impl HasherFigures for HashEngine {
    fn figures(&self) -> EngineFigures {
        let (outstanding, hash_time, refused) = self.shared.admission.figures();
        let (begun, abandoned) = self.shared.queue.figures();
        EngineFigures {
            kernel: self.kernel.name(),
            instructions: self.kernel.instructions(),
            reason: self.kernel.reason(),
            workers: self.arenas.count.get(),
            arena_bytes: self.arenas.bytes(),
            outstanding,
            hash_time,
            begun,
            abandoned,
            refused_overloaded: refused.overloaded,
            refused_deadline: refused.deadline_too_short,
        }
    }
}

impl Drop for HashEngine {
    fn drop(&mut self) {
        self.shared.queue.stop();
        for worker in self.workers.drain(..) {
            // The result of a worker that panicked is of no interest.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Recipe of new hashes, with any salt.
    fn today(&self) -> Recipe {
        Recipe::of_new(self.cost, [0; SALT_BYTES])
    }

    /// Parses a stored hash.
    fn read(&self, hash: &PasswordHash) -> Result<Stored, HashProblem> {
        Stored::parse(hash.expose(), self.ceiling)
    }

    /// Which bytes of a password to try against a stored hash, and how many of today's hashes each try counts as. A
    /// hash that this engine did not make may have been made from the bytes as they were received.
    fn tries(&self, stored: &Stored, password: &Password) -> impl Iterator<Item = (Form, u32)> {
        let one = self.cost.parameters().work().max(1);
        let may_be_of_received = password.expose_as_received().is_some() && !stored.is_like(&self.today());
        let forms = [Some(Form::Normalized), may_be_of_received.then_some(Form::AsReceived)];
        forms.into_iter().flatten().map(move |form| {
            let work = stored.method.work(form.of(password).len());
            (form, u32::try_from(work.div_ceil(one)).unwrap_or(u32::MAX).max(1))
        })
    }

    /// Runs a worker: computes a first hash and, if there will be any, a first pair, which also measures how long they
    /// take, then serves the queue.
    fn work(
        &self,
        kernel: Box<dyn Kernel>,
        (new_kernel, memory): (&NewKernel, WorkerMemory),
        password: &[u8],
        recipe: &Recipe,
        ready: mpsc::Sender<Result<Tag, EngineError>>,
    ) {
        let (clock, admission, counted) = (&*self.clock, &*self.admission, recipe.parameters);
        let mut worker = Worker { kernel: Some(kernel), new_kernel, memory, clock, admission, counted };
        let mut first_hash = worker.argon2(password, recipe).map_err(|_| EngineError::WarmUp);
        if memory.pair_kib.is_some() && worker.argon2_pair([password; 2], [recipe; 2]).is_err() {
            first_hash = Err(EngineError::WarmUp);
        }
        let started = ready.send(first_hash).is_ok();
        drop(ready);
        if started {
            worker.serve(&self.queue);
        }
    }
}

/// The default number of workers: one for each CPU that the process may use.
pub fn usable_cpus() -> NonZeroU32 {
    thread::available_parallelism().ok().and_then(|cpus| cpus.try_into().ok()).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests;
