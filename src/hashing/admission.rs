//! Admission: takes on as many hashes as can finish in time.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::names::TenantName;
use crate::ports::NotAdmitted;

/// Hashes per tenant and turn: the two of a password change, which then wait once and not twice.
pub(super) const TURN: u32 = 2;

/// Counts the hashes that are admitted and unfinished, and knows how long one takes.
pub(super) struct Admission {
    workers: NonZeroU32,
    /// Number of hashes that all workers compute at a time under load.
    at_a_time: u32,
    longest_wait: Duration,
    load: Mutex<Load>,
}

#[derive(Default)]
struct Load {
    /// Tenants with outstanding hashes; others have no entry.
    accounts: HashMap<TenantName, Account>,
    /// Time that one hash takes alone: a moving average, absent before the first.
    service_time: Option<Duration>,
    /// The same for two hashes that are computed together.
    pair_time: Option<Duration>,
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

impl Admission {
    /// Admission to so many workers, each of which computes one hash at a time, or two under load.
    pub(super) fn new(workers: NonZeroU32, pairs: bool, longest_wait: Duration) -> Self {
        let at_a_time = workers.get().saturating_mul(if pairs { 2 } else { 1 });
        Self { workers, at_a_time, longest_wait, load: Mutex::default() }
    }

    /// Admits `count` hashes of a tenant together, if they can finish within `remaining`.
    pub(super) fn admit(
        self: &Arc<Self>,
        tenant: &TenantName,
        count: u32,
        remaining: Duration,
    ) -> Result<Reservation, NotAdmitted> {
        let mut load = self.load.lock();
        let service_time = load.service_time.unwrap_or_default();
        let workers = self.workers.get();
        let in_turn = load.time_under_load().saturating_mul(load.ahead_of(tenant, count)) / workers;
        // It is unknown how much other work arrives meanwhile, but the recent pace of the tenant's own hashes is known:
        // the outstanding ones will take as long as that many took (Little's law).
        let expected_wait = in_turn.max(load.at_its_pace(tenant));
        let own_time = service_time.saturating_mul(count.div_ceil(workers));
        let own_time_in_pairs = load.pair_time.unwrap_or(service_time).saturating_mul(count.div_ceil(workers));
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

    /// Learns from the time that one hash took.
    pub(super) fn measured(&self, took: Duration) {
        let mut load = self.load.lock();
        load.service_time = Some(moved(load.service_time, took, 8));
    }

    /// Learns from the time that two hashes took together.
    pub(super) fn measured_pair(&self, took: Duration) {
        let mut load = self.load.lock();
        load.pair_time = Some(moved(load.pair_time, took, 8));
    }

    /// Number of hashes admitted and unfinished, time that one takes alone, and refusals.
    pub(super) fn figures(&self) -> (u32, Duration, Refused) {
        let load = self.load.lock();
        let outstanding = load.accounts.values().fold(0, |all: u32, own| all.saturating_add(own.outstanding));
        (outstanding, load.service_time.unwrap_or_default(), load.refused)
    }

    /// Learns the pace at which a tenant is served. It shows only while more of the tenant's hashes wait than are
    /// computed at a time; otherwise it is the pace of the tenant's requests.
    fn finished(&self, tenant: &TenantName, count: u32, now: Instant) {
        let mut load = self.load.lock();
        let alone = load.time_under_load() / self.workers.get();
        let Some(account) = load.accounts.get_mut(tenant) else { return };
        if account.outstanding <= self.at_a_time {
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
    /// Time that a worker needs for each hash while more are waiting.
    fn time_under_load(&self) -> Duration {
        self.pair_time.map(|pair| pair / 2).or(self.service_time).unwrap_or_default()
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

/// Updates a moving average over `values` values with one more value.
fn moved(average: Option<Duration>, value: Duration, values: u32) -> Duration {
    average.map_or(value, |average| average.saturating_mul(values.saturating_sub(1)).saturating_add(value) / values)
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
