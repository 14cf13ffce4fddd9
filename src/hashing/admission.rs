//! Admission: takes on as many hashes as can finish in time.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::times::{Times, moved};
use crate::domain::names::TenantName;
use crate::ports::{HashDemand, NotAdmitted};

/// Hashes per tenant and turn: the two of a password change, which then wait once and not twice.
pub(super) const TURN: u32 = 2;

/// Counts the hashes that are admitted and unfinished, and knows how long one takes.
pub(super) struct Admission {
    workers: NonZeroU32,
    pairs: bool,
    longest_wait: Duration,
    load: Mutex<Load>,
}

#[derive(Default)]
struct Load {
    /// Tenants with outstanding hashes; others have no entry.
    accounts: HashMap<TenantName, Account>,
    times: Times,
    failed_pairs: u64,
    refused: Refused,
}

/// A tenant with admitted, unfinished hashes.
#[derive(Default)]
struct Account {
    /// Number of hashes, whether requested yet or not.
    outstanding: u32,
    /// Time between two finished hashes while more are waiting: a moving average.
    pace: Option<Duration>,
    last_finished: Option<Instant>,
}

/// Number of refusals since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refused {
    pub overloaded: u64,
    pub deadline_too_short: u64,
}

/// What admission knows at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Number of hashes admitted and unfinished.
    pub outstanding: u32,
    /// Time of one hash alone.
    pub alone: Duration,
    /// Time of two hashes together; zero without pairs.
    pub pair: Duration,
    /// Time of a worker for each hash while more are waiting.
    pub each_under_load: Duration,
    /// Number of pairs that failed.
    pub failed_pairs: u64,
    pub refused: Refused,
}

impl Admission {
    /// Admission to so many workers, each of which computes one hash at a time, or two under load.
    pub(super) fn new(workers: NonZeroU32, pairs: bool, longest_wait: Duration) -> Self {
        Self { workers, pairs, longest_wait, load: Mutex::default() }
    }

    /// Admits hashes of a tenant together, if they can finish within `remaining`.
    pub(super) fn admit(
        self: &Arc<Self>,
        tenant: &TenantName,
        HashDemand { total: count, in_sequence }: HashDemand,
        remaining: Duration,
    ) -> Result<Reservation, NotAdmitted> {
        let mut load = self.load.lock();
        let workers = self.workers.get();
        let in_turn = load.times.each_under_load().saturating_mul(load.ahead_of(tenant, count)) / workers;
        // It is unknown how much other work arrives meanwhile, but the recent pace of the tenant's own hashes is known:
        // the outstanding ones will take as long as that many took (Little's law).
        let expected_wait = in_turn.max(load.at_its_pace(tenant)).max(self.running(&load));
        let turns = count.div_ceil(workers).max(in_sequence);
        let own_time = load.times.alone().saturating_mul(turns);
        let own_time_in_pairs = load.times.pair().saturating_mul(turns);
        // The wait is an estimate: the longer it is, the larger its error can be. A hash that is admitted and does not
        // finish in time is wasted work; with a shorter queue, as many hashes finish.
        let longest_likely_wait = expected_wait.saturating_add(expected_wait / 3);
        let enough = longest_likely_wait.saturating_add(own_time);
        if enough > remaining {
            load.refused.deadline_too_short += 1;
            return Err(NotAdmitted::DeadlineTooShort { expected_wait, enough });
        }
        let overloaded = NotAdmitted::Overloaded { expected_wait };
        if expected_wait > self.longest_wait {
            load.refused.overloaded += 1;
            return Err(overloaded);
        }
        let account = load.accounts.entry(tenant.clone()).or_default();
        account.outstanding = account.outstanding.checked_add(count).ok_or(overloaded)?;
        let (tenant, unused) = (tenant.clone(), AtomicU32::new(count));
        Ok(Reservation { admission: Arc::clone(self), tenant, unused, own_time, own_time_in_pairs })
    }

    /// How long what is computed now may take. A newcomer waits for it, whichever tenant it belongs to.
    fn running(&self, load: &Load) -> Duration {
        match load.outstanding() {
            outstanding if self.pairs && outstanding >= self.at_a_time() => load.times.turn(),
            outstanding if outstanding >= self.workers.get() => load.times.alone(),
            // A worker is idle.
            _ => Duration::ZERO,
        }
    }

    /// Number of hashes that all workers compute at a time under load.
    fn at_a_time(&self) -> u32 {
        self.workers.get().saturating_mul(if self.pairs { 2 } else { 1 })
    }

    /// Learns from the time that one hash took, while more hashes waited than there were idle workers or not.
    pub(super) fn measured(&self, took: Duration, is_under_load: bool) {
        self.load.lock().times.measured(took, is_under_load);
    }

    /// Learns from the time that two hashes took together.
    pub(super) fn measured_pair(&self, took: Duration) {
        self.load.lock().times.measured_pair(took);
    }

    /// Counts a pair that failed.
    pub(super) fn pair_failed(&self) {
        self.load.lock().failed_pairs += 1;
    }

    /// Whether a worker that can have two hashes is to compute them together.
    pub(super) fn pairs_next(&self) -> bool {
        self.load.lock().times.pairs_next()
    }

    pub(super) fn figures(&self) -> Figures {
        let load = self.load.lock();
        let Load { times, failed_pairs, refused, .. } = &*load;
        Figures {
            outstanding: load.outstanding(),
            alone: times.alone(),
            pair: if self.pairs { times.pair() } else { Duration::ZERO },
            each_under_load: times.each_under_load(),
            failed_pairs: *failed_pairs,
            refused: *refused,
        }
    }

    /// Learns the pace at which a tenant is served. It shows only while more of the tenant's hashes wait than are
    /// computed at a time; otherwise it is the pace of the tenant's requests.
    fn finished(&self, tenant: &TenantName, count: u32, now: Instant) {
        let mut load = self.load.lock();
        let alone = load.times.each_under_load() / self.workers.get();
        let Some(account) = load.accounts.get_mut(tenant) else { return };
        if account.outstanding <= self.at_a_time() {
            (account.pace, account.last_finished) = (None, None);
        } else if let Some(before) = account.last_finished.replace(now) {
            let each = now.saturating_duration_since(before) / count.max(1);
            account.pace = Some(moved(Some(account.pace.unwrap_or(alone)), each, 32));
        }
    }

    fn give_back(&self, tenant: &TenantName, count: u32) {
        let mut load = self.load.lock();
        if let Some(account) = load.accounts.get_mut(tenant) {
            account.outstanding = account.outstanding.saturating_sub(count);
            if account.outstanding == 0 {
                load.accounts.remove(tenant);
            }
        }
    }
}

impl Load {
    /// Number of hashes admitted and unfinished.
    fn outstanding(&self) -> u32 {
        self.accounts.values().fold(0, |all, own| all.saturating_add(own.outstanding))
    }

    /// Number of hashes computed before a tenant's next ones: its own, and of each other tenant at most as many, in
    /// whole turns.
    fn ahead_of(&self, tenant: &TenantName, count: u32) -> u32 {
        let own = self.accounts.get(tenant).map_or(0, |account| account.outstanding);
        let turns = own.saturating_add(count).div_ceil(TURN).saturating_mul(TURN);
        let others = self.accounts.iter().filter(|(other, _)| *other != tenant);
        others.fold(own, |ahead, (_, account)| ahead.saturating_add(turns.min(account.outstanding)))
    }

    /// How long a tenant's outstanding hashes take if they keep finishing at their recent pace.
    fn at_its_pace(&self, tenant: &TenantName) -> Duration {
        let account = self.accounts.get(tenant);
        account.map_or(Duration::ZERO, |own| own.pace.unwrap_or_default().saturating_mul(own.outstanding))
    }
}

/// Hashes admitted together. Dropping this gives back the unused ones.
pub(super) struct Reservation {
    admission: Arc<Admission>,
    tenant: TenantName,
    unused: AtomicU32,
    own_time: Duration,
    own_time_in_pairs: Duration,
}

impl Reservation {
    /// How long its hashes take once it is their turn, each alone.
    pub(super) const fn own_time(&self) -> Duration {
        self.own_time
    }

    /// The same if each is computed together with another hash.
    pub(super) const fn own_time_in_pairs(&self) -> Duration {
        self.own_time_in_pairs
    }

    /// Takes `count` of them, or none if fewer are left.
    pub(super) fn take(&self, count: u32) -> Option<Slot> {
        let fewer = |unused: u32| unused.checked_sub(count);
        self.unused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).ok()?;
        Some(Slot { admission: Arc::clone(&self.admission), tenant: self.tenant.clone(), count })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.admission.give_back(&self.tenant, *self.unused.get_mut());
    }
}

/// A queued or running job, and the number of hashes that it counts as. Dropping this gives them back.
pub(super) struct Slot {
    admission: Arc<Admission>,
    tenant: TenantName,
    count: u32,
}

impl Slot {
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Reports to admission that the job was computed.
    pub(super) fn finished(&self, now: Instant) {
        self.admission.finished(&self.tenant, self.count, now);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.give_back(&self.tenant, self.count);
    }
}

#[cfg(test)]
mod tests;
