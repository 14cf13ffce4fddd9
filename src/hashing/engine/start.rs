//! The start of the engine: how much memory its workers get, and their first hashes.

use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};
use std::thread;

use zeroize::Zeroizing;

use super::{EngineError, EngineSettings, HashEngine, Shared, usable_cpus};
use crate::domain::credential::PasswordHash;
use crate::hashing::admission::Admission;
use crate::hashing::kernel::{Kernel, KernelChoice};
use crate::hashing::memory::Arenas;
use crate::hashing::phc::{Phc, Recipe, Tag};
use crate::hashing::queue::Queue;
use crate::hashing::reader::HashReader;
use crate::hashing::worker::{NewKernel, Worker, WorkerMemory};
use crate::ports::{Clock, Entropy, Meter, SALT_BYTES};

/// What an engine is made of.
pub(super) struct Start<'a> {
    pub(super) settings: EngineSettings,
    pub(super) kernel: KernelChoice,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: &'a dyn Entropy,
    pub(super) new_kernel: Arc<NewKernel>,
}

/// Passwords of the first hashes.
type First = Zeroizing<[[u8; 32]; 2]>;

impl Start<'_> {
    /// Starts with pairs if there is memory for them, and without if there is not or they fail.
    pub(super) fn run(&self, available_bytes: Option<u64>) -> Result<HashEngine, EngineError> {
        let &EngineSettings { cost, ceiling, workers, pairs, .. } = &self.settings;
        let count = workers.map_or_else(usable_cpus, |workers| workers.try_into().unwrap_or(NonZeroU32::MAX));
        let alone = Arenas { count, kib_each: ceiling.memory_kib() };
        let for_pairs = Arenas { count, kib_each: alone.kib_each.max(cost.memory_kib().saturating_mul(2)) };
        if pairs && self.kernel.interleaves() && for_pairs.fit_well(available_bytes) {
            match self.with(for_pairs, true) {
                Err(error) => tracing::warn!(%error, "hashing.interleave = 1, because the start with 2 failed"),
                started => return started,
            }
        }
        alone.check(available_bytes)?;
        self.with(alone, false)
    }

    fn with(&self, arenas: Arenas, pairs: bool) -> Result<HashEngine, EngineError> {
        let Self { ref settings, kernel, ref clock, entropy, ref new_kernel } = *self;
        let &EngineSettings { cost, longest_wait, forms, .. } = settings;
        let workers = arenas.count;
        let memory = WorkerMemory { kib: arenas.kib_each, pair_kib: pairs.then_some(arenas.kib_each / 2) };
        let admission = Arc::new(Admission::new(workers, pairs, longest_wait));
        let (clock, queue) = (Arc::clone(clock), Queue::default());
        let shared = Arc::new(Shared { cost, hashes: HashReader::of(settings), forms, clock, admission, queue });
        let (mut passwords, mut salt) = (First::default(), [0; SALT_BYTES]);
        passwords.iter_mut().for_each(|password| entropy.fill(password));
        entropy.fill(&mut salt);
        let recipe = Recipe::of_new(cost, salt);

        // From here on, a drop stops the workers that were started.
        let decoy = PasswordHash::new(String::new());
        let mut engine = HashEngine { shared, kernel, arenas, decoy, workers: Vec::new() };
        let (ready, first_hashes) = mpsc::channel();
        let meter = &settings.meter;
        for number in 0..workers.get() {
            let (shared, new_kernel, ready) = (Arc::clone(&engine.shared), Arc::clone(new_kernel), ready.clone());
            let (passwords, recipe, meter) = (passwords.clone(), recipe.clone(), Arc::clone(meter));
            let work = move || match new_kernel(memory.kib) {
                Ok(kernel) => shared.work(kernel, (&*new_kernel, memory, &*meter), &passwords, &recipe, ready),
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
        tracing::info!(
            workers,
            pairs,
            mib_each = arenas.mib_each(),
            mib_in_total = arenas.mib_in_total(),
            "hash memory"
        );
        Ok(engine)
    }
}

impl Shared {
    /// Runs a worker: computes its first hashes, then serves the queue.
    fn work(
        &self,
        kernel: Box<dyn Kernel>,
        (new_kernel, memory, meter): (&NewKernel, WorkerMemory, &dyn Meter),
        passwords: &First,
        recipe: &Recipe,
        ready: mpsc::Sender<Result<Tag, EngineError>>,
    ) {
        let (clock, admission, counted) = (&*self.clock, &*self.admission, recipe.parameters);
        let is_under_load = false;
        let mut worker =
            Worker { kernel: Some(kernel), new_kernel, memory, clock, meter, admission, counted, is_under_load };
        let started = ready.send(worker.first_hashes(passwords, recipe)).is_ok();
        drop(ready);
        if started {
            worker.serve(&self.queue);
        }
    }
}

impl Worker<'_> {
    /// Computes a first hash, which also measures how long it takes. If there will be pairs, computes another one and
    /// both together, which must make no difference.
    fn first_hashes(&mut self, passwords: &First, recipe: &Recipe) -> Result<Tag, EngineError> {
        let [one, other] = passwords.each_ref().map(<[u8; 32]>::as_slice);
        let first = self.argon2(one, recipe).map_err(|_| EngineError::WarmUp)?;
        if self.memory.pair_kib.is_some() {
            let second = self.argon2(other, recipe).map_err(|_| EngineError::WarmUp)?;
            let pair = self.argon2_pair([one, other], [recipe; 2]).map_err(|_| EngineError::FirstPair)?;
            if pair.iter().ne([&first, &second]) {
                return Err(EngineError::FirstPair);
            }
        }
        Ok(first)
    }
}
