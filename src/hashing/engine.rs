//! The engine: starts the workers, admits hashes, and passes them to the workers.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use zeroize::Zeroizing;

use super::admission::Admission;
use super::cost::{Ceiling, Cost};
use super::formats::Stored;
use super::import_keys::ImportKeys;
use super::kernel::{CantAllocate, KernelChoice, KernelSetting};
use super::memory::{self, Arenas, TooLittleMemory};
use super::phc::Recipe;
use super::queue::{Counts, Fate, Load, Queue};
use super::reader::HashReader;
use super::worker::NewKernel;
use crate::domain::credential::{HashDigest, PasswordHash};
use crate::domain::hash_problem::HashProblem;
use crate::domain::names::TenantName;
use crate::domain::opt_in_algorithm::AllowedAlgorithms;
use crate::domain::password::Password;
use crate::domain::password_form::{PasswordForm, TriedForms};
use crate::ports::{
    AdmittedHashes, Clock, Deadline, EngineFigures, Entropy, HashDemand, HashDescription, Hasher, HasherFigures, Meter,
    NoMeter, NotAdmitted, SALT_BYTES,
};

mod admitted;
mod start;

use admitted::Admitted;
use start::Start;

/// Settings of the engine.
#[derive(Debug, Clone)]
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
    /// The keys of other systems, for hashes that need one.
    pub import_keys: Arc<ImportKeys>,
    /// Forms of a password that are also tried against hashes from elsewhere.
    pub forms: TriedForms,
    /// Gets the time of each hash.
    pub meter: Arc<dyn Meter>,
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
            import_keys: Arc::default(),
            forms: TriedForms::default(),
            meter: Arc::new(NoMeter),
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
    /// The first pair failed, or has other tags than the same hashes alone.
    #[error("the first pair of hashes of a worker is not what the hashes are alone")]
    FirstPair,
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
    hashes: HashReader,
    forms: TriedForms,
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
        Start { settings, kernel: choice, clock, entropy, new_kernel }.run(memory::available_bytes())
    }

    /// The kernel that computes the hashes.
    pub fn kernel(&self) -> KernelChoice {
        self.kernel
    }
}

impl Hasher for HashEngine {
    fn admit(
        &self,
        tenant: &TenantName,
        demand: HashDemand,
        deadline: Deadline,
    ) -> Result<Arc<dyn AdmittedHashes>, NotAdmitted> {
        let remaining = deadline.remaining(self.shared.clock.instant());
        let reservation = self.shared.admission.admit(tenant, demand, remaining)?;
        let before = |time| deadline.instant().checked_sub(time).unwrap_or(deadline.instant());
        let fate = Fate::new(before(reservation.own_time()), before(reservation.own_time_in_pairs()));
        let (tenant, fate) = (tenant.clone(), Arc::new(fate));
        Ok(Arc::new(Admitted { shared: Arc::clone(&self.shared), tenant, reservation, fate }))
    }

    fn cost_of(&self, password: &Password, hash: &PasswordHash) -> u32 {
        let Ok(stored) = self.shared.hashes.stored(hash) else { return 1 };
        self.shared.tries(&stored, password).into_iter().map(|(.., count)| count).fold(0, u32::saturating_add)
    }

    fn is_upgradable(&self, password: &Password, matched: PasswordForm, hash: &PasswordHash) -> bool {
        let (Ok(stored), Some(bytes)) = (self.shared.hashes.stored(hash), matched.of(password)) else { return false };
        stored.method.takes_all_of(&bytes) && password.may_be_new() && stored.is_weaker_than(&self.shared.today())
    }

    fn imported(&self, hash: &PasswordHash) -> Result<PasswordHash, HashProblem> {
        Ok(PasswordHash::new(self.shared.hashes.imported(hash)?.to_string()))
    }

    fn digest(&self, hash: &PasswordHash) -> Option<HashDigest> {
        self.shared.hashes.stored(hash).ok().map(|stored| stored.digest())
    }

    fn describe(&self, hash: &PasswordHash) -> HashDescription {
        match self.shared.hashes.stored(hash) {
            Ok(stored) => {
                let (algorithm, parameters) = stored.method.description();
                let is_below_target = stored.is_weaker_than(&self.shared.today());
                HashDescription { algorithm, parameters, is_below_target, lacks_key: false }
            }
            Err(HashProblem::KeyMissing(algorithm)) => HashDescription {
                algorithm: algorithm.as_str(),
                parameters: "its key is missing".to_owned(),
                is_below_target: true,
                lacks_key: true,
            },
            Err(_) => HashDescription::unreadable(),
        }
    }

    fn decoy(&self) -> PasswordHash {
        self.decoy.clone()
    }
}

impl HasherFigures for HashEngine {
    fn figures(&self) -> EngineFigures {
        let admission = self.shared.admission.figures();
        let Counts { begun, abandoned, pairs } = self.shared.queue.counts();
        let Load { waiting, idle } = self.shared.queue.load();
        let workers = self.arenas.count.get();
        EngineFigures {
            kernel: self.kernel.name(),
            instructions: self.kernel.instructions(),
            reason: self.kernel.reason(),
            workers,
            busy: workers.saturating_sub(u32::try_from(idle).unwrap_or(u32::MAX)),
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            arena_bytes: self.arenas.bytes(),
            outstanding: admission.outstanding,
            hash_time: admission.alone,
            pair_time: admission.pair,
            time_under_load: admission.each_under_load,
            begun,
            pairs,
            failed_pairs: admission.failed_pairs,
            abandoned,
            refused_overloaded: admission.refused.overloaded,
            refused_deadline: admission.refused.deadline_too_short,
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

    /// The forms of a password to try against a stored hash, each with other bytes, and how many of today's hashes the try
    /// counts as. A hash that this engine did not make may have been made of the bytes as they were received, or of a form
    /// that its system or the operator names.
    fn tries(&self, stored: &Stored, password: &Password) -> Vec<(PasswordForm, Zeroizing<Vec<u8>>, u32)> {
        let one = self.cost.parameters().work().max(1);
        let count = |bytes: usize| u32::try_from(stored.method.work(bytes).div_ceil(one)).unwrap_or(u32::MAX).max(1);
        let usual = [PasswordForm::Nfc, PasswordForm::AsReceived];
        let is_plain = password.expose().is_ascii() && password.expose_as_received().is_none();
        let forms: Vec<_> = if is_plain || stored.is_like(&self.today()) {
            vec![PasswordForm::Nfc]
        } else {
            stored.method.own_form().into_iter().chain(usual).chain(self.forms.iter()).collect()
        };
        let mut tries: Vec<(PasswordForm, Zeroizing<Vec<u8>>, u32)> = Vec::new();
        for form in forms {
            if let Some(bytes) = form.of(password).filter(|bytes| !tries.iter().any(|(_, other, _)| other == bytes)) {
                let count = count(bytes.len());
                tries.push((form, bytes, count));
            }
        }
        tries
    }
}

/// The default number of workers: one for each CPU that the process may use.
pub fn usable_cpus() -> NonZeroU32 {
    thread::available_parallelism().ok().and_then(|cpus| cpus.try_into().ok()).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests;
