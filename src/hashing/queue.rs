//! Lines of waiting jobs: one for each tenant, served in turn; within each line, first come, first served.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::admission::{Slot, TURN};
use super::formats::Method;
use super::phc::Tag;
use crate::domain::names::TenantName;
use crate::ports::{Clock, HasherError};

/// Hashes that were admitted together: once one has begun, all are computed; if abandoned before, none are.
pub(super) struct Fate {
    state: AtomicU8,
    /// The latest time to begin: later, they do not finish in time.
    begin_by: Instant,
    /// The latest time to begin one in a pair, which takes longer.
    pair_by: Instant,
}

impl Fate {
    const OPEN: u8 = 0;
    const BEGUN: u8 = 1;
    const ABANDONED: u8 = 2;

    pub(super) const fn new(begin_by: Instant, pair_by: Instant) -> Self {
        Self { state: AtomicU8::new(Self::OPEN), begin_by, pair_by }
    }

    /// Marks that the caller no longer waits. Has no effect once one has begun.
    pub(super) fn abandon(&self) {
        let _ = self.state.compare_exchange(Self::OPEN, Self::ABANDONED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether none of the hashes will ever begin.
    fn is_over(&self, now: Instant) -> bool {
        match self.state.load(Ordering::Acquire) {
            Self::OPEN => now > self.begin_by,
            state => state == Self::ABANDONED,
        }
    }

    /// Whether one of the hashes may begin.
    fn begin(&self, now: Instant) -> bool {
        if now > self.begin_by {
            self.abandon();
        }
        let before = self.state.compare_exchange(Self::OPEN, Self::BEGUN, Ordering::AcqRel, Ordering::Acquire);
        before != Err(Self::ABANDONED)
    }
}

/// One hash to compute. If it is dropped unanswered, the caller gets the error that the engine stopped.
pub(super) struct Job {
    pub tenant: TenantName,
    pub fate: Arc<Fate>,
    /// When it was requested.
    pub queued: Instant,
    /// The bytes to hash.
    pub bytes: Zeroizing<Vec<u8>>,
    pub method: Method,
    pub slot: Slot,
    pub reply: oneshot::Sender<Result<Tag, HasherError>>,
}

impl Job {
    /// Whether its caller has hung up, or it would not finish in time.
    fn is_over(&self, now: Instant) -> bool {
        self.reply.is_closed() || self.fate.is_over(now)
    }

    /// Whether to compute this and another job together, in so much memory for each. Not those that take as long as
    /// several hashes: the next job would wait for both.
    fn pairs_with(&self, other: &Self, most_kib: u32, now: Instant) -> bool {
        let (Method::Argon2(recipe), Method::Argon2(others)) = (&self.method, &other.method) else { return false };
        let is_in_time = now <= self.fate.pair_by.min(other.fate.pair_by);
        let are_short = self.slot.count() == 1 && other.slot.count() == 1;
        is_in_time && are_short && recipe.parameters.memory_kib <= most_kib && recipe.goes_with(others)
    }

    /// Answers the caller. Gives the slot back first, so that a caller that has its answer can be admitted again.
    pub(super) fn answer(self, answer: Result<Tag, HasherError>) {
        let Self { bytes, slot, reply, .. } = self;
        drop((bytes, slot));
        // The caller may have gone meanwhile.
        let _ = reply.send(answer);
    }
}

/// What a worker computes in one turn.
pub(super) struct Turn {
    pub job: Job,
    /// The job that is computed together with it.
    pub second: Option<Job>,
    /// When the turn began.
    pub begun: Instant,
    /// Whether more jobs wait than there are idle workers.
    pub is_under_load: bool,
}

/// Number of jobs since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub begun: u64,
    /// Abandoned before they began.
    pub abandoned: u64,
    /// Pairs of those that have begun.
    pub pairs: u64,
}

/// What the workers have to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    /// Jobs that no worker has taken.
    pub waiting: usize,
    /// Workers without a job.
    pub idle: usize,
}

/// Jobs on their way to the workers. Admission bounds its length.
#[derive(Default)]
pub(super) struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
    begun: AtomicU64,
    abandoned: AtomicU64,
    pairs: AtomicU64,
}

/// Schedules the lines as in RFC 8290 §4: deficit round robin in which newcomers go first, so that a tenant with few
/// requests waits for running hashes, and not for a turn of the tenants that always have some waiting.
#[derive(Default)]
struct Lines {
    by_tenant: HashMap<TenantName, Line>,
    /// Tenants whose job came when they had no line.
    newcomers: VecDeque<TenantName>,
    /// The other tenants with a line, in the order of their turns.
    turns: VecDeque<TenantName>,
    /// Number of jobs in all lines.
    waiting: usize,
    /// Number of workers that wait for a job.
    idle: usize,
    stopped: bool,
}

/// Waiting jobs of a tenant. An empty line of a newcomer stays for one turn: a tenant that comes again is not a
/// newcomer before all others have had a turn.
#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    /// Number of hashes already given out of this turn or of later ones.
    given: u32,
}

impl Lines {
    fn push(&mut self, job: Job) {
        let line = self.by_tenant.entry(job.tenant.clone()).or_insert_with(|| {
            self.newcomers.push_back(job.tenant.clone());
            Line::default()
        });
        line.jobs.push_back(job);
        self.waiting += 1;
    }

    /// Takes back a job that was given out and not computed: it does not count for its tenant's turn.
    fn take_back(&mut self, job: &Job) {
        if let Some(line) = self.by_tenant.get_mut(&job.tenant) {
            line.given = line.given.saturating_sub(job.slot.count());
        }
    }

    /// Takes out the job whose turn it is.
    fn pop(&mut self) -> Option<Job> {
        let line = self.line()?;
        let job = line.jobs.pop_front()?;
        line.given = line.given.saturating_add(job.slot.count());
        self.waiting = self.waiting.saturating_sub(1);
        Some(job)
    }

    /// The line of the tenant whose turn it is. Its first job is next.
    fn line(&mut self) -> Option<&mut Line> {
        loop {
            let is_newcomer = !self.newcomers.is_empty();
            let among = if is_newcomer { &mut self.newcomers } else { &mut self.turns };
            let line = self.by_tenant.get_mut(among.front()?)?;
            if line.given < TURN && !line.jobs.is_empty() {
                break;
            }
            line.given = line.given.saturating_sub(TURN);
            let stays = is_newcomer || !line.jobs.is_empty();
            let tenant = among.pop_front()?;
            if stays {
                self.turns.push_back(tenant);
            } else {
                self.by_tenant.remove(&tenant);
            }
        }
        let tenant = self.newcomers.front().or_else(|| self.turns.front())?;
        self.by_tenant.get_mut(tenant)
    }
}

impl Queue {
    /// Appends a job to its tenant's line, and returns whether a worker has to be woken for it. Once stopped, drops it.
    ///
    /// If others wait already, it does not: the worker that takes the first one wakes another for the next.
    #[must_use]
    pub(super) fn push(&self, job: Job) -> bool {
        let mut lines = self.lines.lock();
        if lines.stopped {
            return false;
        }
        lines.push(job);
        lines.waiting == 1 && lines.idle > 0
    }

    /// Wakes a worker for the job that is next.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits for the next job that a caller still waits for and that can finish in time; `None` once stopped.
    ///
    /// The job after it comes along if they can be computed together, in so much memory for each, and no idle worker is
    /// there for it. So the order is the same as without pairs.
    pub(super) fn next(&self, clock: &dyn Clock, pair_kib: Option<u32>) -> Option<Turn> {
        let mut lines = self.lines.lock();
        while !lines.stopped {
            let now = clock.instant();
            if let Some(job) = self.begin_next(&mut lines, now) {
                let is_under_load = lines.waiting > lines.idle;
                let second = pair_kib.and_then(|most_kib| self.begin_second(&mut lines, &job, most_kib, now));
                if lines.waiting > 0 {
                    self.wake();
                }
                return Some(Turn { job, second, begun: now, is_under_load });
            }
            lines.idle += 1;
            self.changed.wait(&mut lines);
            lines.idle -= 1;
        }
        None
    }

    fn begin_next(&self, lines: &mut Lines, now: Instant) -> Option<Job> {
        loop {
            let job = lines.pop()?;
            if let Some(job) = self.begin(lines, job, now) {
                return Some(job);
            }
        }
    }

    /// The next job, if it is one for the worker that has the first.
    fn begin_second(&self, lines: &mut Lines, first: &Job, most_kib: u32, now: Instant) -> Option<Job> {
        while lines.waiting > lines.idle {
            let next = lines.line()?.jobs.front()?;
            if !next.is_over(now) && !next.pairs_with(first, most_kib, now) {
                return None;
            }
            let job = lines.pop()?;
            if let Some(job) = self.begin(lines, job, now) {
                self.pairs.fetch_add(1, Ordering::Relaxed);
                return Some(job);
            }
        }
        None
    }

    /// Begins a job, or answers it if its caller has hung up or it would not finish in time.
    fn begin(&self, lines: &mut Lines, job: Job, now: Instant) -> Option<Job> {
        if !job.reply.is_closed() && job.fate.begin(now) {
            self.begun.fetch_add(1, Ordering::Relaxed);
            return Some(job);
        }
        lines.take_back(&job);
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        job.answer(Err(HasherError::Abandoned));
        None
    }

    pub(super) fn counts(&self) -> Counts {
        let [begun, abandoned, pairs] =
            [&self.begun, &self.abandoned, &self.pairs].map(|count| count.load(Ordering::Relaxed));
        Counts { begun, abandoned, pairs }
    }

    /// What the workers have to do now.
    pub(super) fn load(&self) -> Load {
        let lines = self.lines.lock();
        Load { waiting: lines.waiting, idle: lines.idle }
    }

    /// Drops the waiting jobs, and ends the workers.
    pub(super) fn stop(&self) {
        let mut lines = self.lines.lock();
        lines.stopped = true;
        lines.newcomers.clear();
        lines.turns.clear();
        lines.by_tenant.clear();
        lines.waiting = 0;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
