//! Attempts under way, counted in memory: parallel honest calls can neither outrun the allowance nor be punished. Each
//! process counts its own: with several on one store, each allows its full number at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as Turn, Notify};

use crate::domain::action::Action;
use crate::domain::attempts::{Backoff, CallerKey, Pair, StoredFailures, SubjectKey};
use crate::domain::caller::Caller;
use crate::domain::names::{Origin, TenantName};
use crate::domain::subject::{SubjectId, SubjectName};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_settings::IamLoginPolicy;

/// The limits for attempts.
#[derive(Debug, Clone, Copy)]
pub struct AttemptLimits {
    /// The limit for one caller on one subject.
    pub pair: Backoff,
    /// The limit for all callers together on one subject: it only slows, so that no caller can lock a subject for the
    /// others.
    pub subject: Backoff,
}

impl AttemptLimits {
    /// The limits if a tenant's RAM policy sets `MaxLoginAttemps`: after that many wrong passwords in a row, an hour.
    #[must_use]
    pub fn with_max_login_attempts(mut self, max_login_attempts: u32) -> Self {
        if max_login_attempts > 0 {
            let hour = Duration::from_hours(1);
            self.pair = Backoff { allowance: max_login_attempts, initial: hour, longest: hour, ..self.pair };
        }
        self
    }

    /// The limits if a tenant's login policy sets a number of wrong passwords in a row: then the wait that it says, after
    /// which they are counted from zero again, unless the service stops callers.
    #[must_use]
    pub fn with_login_policy(mut self, policy: &IamLoginPolicy) -> Self {
        if policy.login_failed_times() > 0 {
            let wait = Duration::from_mins(policy.lockout_duration().into());
            let period = Duration::from_mins(policy.period_with_login_failures().into());
            let allowance = policy.login_failed_times();
            let counts_for = self.pair.stop_after.map_or(wait.max(period), |_| self.pair.counts_for);
            self.pair = Backoff { allowance, initial: wait, longest: wait, counts_for, ..self.pair };
        }
        self
    }
}

/// The key of a caller's attempts. An administrator's resets are counted separately: after failed guesses, a reset is
/// still possible. So are those of each origin: one part more than without an origin, so that none has that key.
pub(super) fn caller_key(caller: &Caller, action: Action, origin: Option<&Origin>) -> CallerKey {
    let subject = caller.subject_id().map(|id| id.0.into_bytes());
    let of_caller = [
        if action.is_administrative() { b"reset".as_slice() } else { b"" },
        caller.kind().as_str().as_bytes(),
        caller.tenant().map_or("", TenantName::as_str).as_bytes(),
        caller.name().as_bytes(),
        subject.as_ref().map_or(&[], |id| id.as_slice()),
    ];
    let parts: Vec<_> = of_caller.into_iter().chain(origin.map(|origin| origin.as_str().as_bytes())).collect();
    CallerKey(digest(&parts))
}

/// The key of the attempts on a subject that exists: a subject recreated under the same name inherits none.
pub(super) fn subject_key(id: SubjectId) -> SubjectKey {
    SubjectKey(digest(&[b"subject", id.0.as_bytes()]))
}

/// The key of the attempts on a name without a subject, or without one at that time. A tenant recreated under the same
/// name inherits none.
pub(super) fn name_key(tenant: TenantId, name: &SubjectName) -> SubjectKey {
    SubjectKey(digest(&[
        b"name",
        tenant.0.as_bytes(),
        name.kind().as_str().as_bytes(),
        name.instance().map_or("", |instance| instance.as_str()).as_bytes(),
        name.key().as_bytes(),
    ]))
}

/// A digest that differs for any two lists of parts: each part comes with its length.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The attempts of one pair that are under way.
#[derive(Default)]
pub(super) struct Slot {
    /// Held while an attempt is decided on; the others queue behind it in order of arrival.
    pub(super) turn: Turn<()>,
    count: AtomicU32,
    left: Notify,
}

impl Slot {
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// Counts one more. Only the holder of the turn may call this.
    pub(super) fn enter(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one less, and wakes the first waiter.
    pub(super) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.left.notify_one();
    }

    /// Waits until an attempt leaves. One that left before the call is not missed.
    pub(super) async fn someone_left(&self) {
        self.left.notified().await;
    }
}

/// The wrong passwords of a pair that were read before its turn.
#[derive(Clone, Copy)]
pub struct ReadFailures {
    pub(super) pair: Pair,
    pub(super) failures: StoredFailures,
    /// What [`UnderWay::recorded`] returned before they were read.
    pub(super) recorded: u64,
}

/// The attempts of all pairs that are under way.
#[derive(Default)]
pub(super) struct UnderWay {
    slots: Mutex<Slots>,
    recorded: AtomicU64,
}

#[derive(Default)]
struct Slots {
    of_pairs: HashMap<Pair, Weak<Slot>>,
    /// At this many pairs, unused ones are dropped.
    most: usize,
}

impl UnderWay {
    /// Pairs that are kept, used or unused.
    const KEPT: usize = 1024;

    /// The slot of a pair, which lives while it is in use.
    pub(super) fn slot(&self, pair: Pair) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.of_pairs.get(&pair).and_then(Weak::upgrade) {
            return slot;
        }
        if slots.of_pairs.len() >= slots.most.max(Self::KEPT) {
            slots.of_pairs.retain(|_, slot| slot.strong_count() > 0);
            slots.most = slots.of_pairs.len() * 2;
        }
        let slot = Arc::new(Slot::default());
        slots.of_pairs.insert(pair, Arc::downgrade(&slot));
        slot
    }

    /// How many failed attempts this process has recorded: what was read before one more is out of date.
    pub(super) fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::SeqCst)
    }

    /// Counts a failed attempt that is recorded, before it leaves its slot.
    pub(super) fn count_recorded(&self) {
        self.recorded.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::names::FreeName;

    #[test]
    fn a_slot_is_shared_while_it_is_used_and_forgotten_after() {
        let under_way = UnderWay::default();
        let pair = Pair { subject: SubjectKey([1; 32]), name: None, caller: CallerKey([2; 32]) };
        let first = under_way.slot(pair);
        first.enter();
        assert_eq!(under_way.slot(pair).count(), 1);
        drop(first);
        assert_eq!(under_way.slot(pair).count(), 0);
    }

    #[test]
    fn unused_pairs_do_not_pile_up() {
        let under_way = UnderWay::default();
        for number in 0..100_000_u32 {
            let mut subject = [0; 32];
            subject[..4].copy_from_slice(&number.to_be_bytes());
            under_way.slot(Pair { subject: SubjectKey(subject), name: None, caller: CallerKey([0; 32]) });
        }
        assert!(under_way.slots.lock().of_pairs.len() <= UnderWay::KEPT);
    }

    #[test]
    fn no_two_origins_share_a_key_nor_has_one_the_key_without_an_origin() {
        let relay = Caller::Service(TenantName::parse("acme").unwrap(), FreeName::parse("relay").unwrap());
        let origins = ["192.0.2.1", "192.0.2.2", "relay"].map(|text| Some(Origin::parse(text).unwrap()));
        let key = |origin: Option<&Origin>| caller_key(&relay, Action::VerifyPassword, origin).0;
        let keys: HashSet<_> = origins.iter().chain([&None]).map(|origin| key(origin.as_ref())).collect();
        assert_eq!(keys.len(), 4);
    }

    #[test]
    fn no_two_lists_of_parts_share_a_digest() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}
