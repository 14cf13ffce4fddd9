//! Failed attempts that the store has not taken yet. While one of a pair is held here, the pair gets no verdict, so
//! that a store that takes no writes gives no caller more guesses than the allowance.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Gates;
use crate::domain::attempts::{Backoff, Failures, Pair, StoredFailures};
use crate::domain::audit_event::AuditEvent;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::meter::{Counter, Gauge, Meter, UpkeepTask};
use crate::ports::retries::RECORD_AFTER;
use crate::service::ServiceError;

/// With this many held, no attempt of any caller is reserved. Attempts already under way still find room.
const MOST: usize = 4096;

/// A failed attempt, as the store will record it.
#[derive(Clone)]
pub(super) struct FailedAttempt {
    pub(super) pair: Pair,
    pub(super) limit: Backoff,
    pub(super) event: AuditEvent,
}

/// Failed attempts that the store has not taken yet, in memory.
pub(super) struct Held {
    attempts: Mutex<VecDeque<FailedAttempt>>,
    added: Notify,
    meter: Arc<dyn Meter>,
}

impl Held {
    pub(super) fn new(meter: Arc<dyn Meter>) -> Self {
        Self { attempts: Mutex::default(), added: Notify::default(), meter }
    }

    /// Holds one more.
    pub(super) fn hold(&self, attempt: FailedAttempt) {
        self.attempts.lock().push_back(attempt);
        self.meter.change(Gauge::AttemptsHeld, 1);
        self.added.notify_one();
    }

    /// Whether an attempt of that pair is held.
    pub(super) fn holds(&self, pair: &Pair) -> bool {
        self.first_of(pair).is_some()
    }

    /// Whether so many are held that no attempt may be reserved.
    pub(super) fn is_full(&self) -> bool {
        self.attempts.lock().len() >= MOST
    }

    /// The stored failures plus those that are held of the pair and of its subject.
    pub(super) fn added_to(&self, stored: StoredFailures, pair: &Pair, now: Timestamp) -> StoredFailures {
        let attempts = self.attempts.lock();
        let of_subject = || attempts.iter().filter(|attempt| attempt.pair.subject == pair.subject);
        StoredFailures {
            by_caller: sum(stored.by_caller, of_subject().filter(|attempt| attempt.pair == *pair), now),
            by_all: sum(stored.by_all, of_subject(), now),
            ..stored
        }
    }

    fn first_of(&self, pair: &Pair) -> Option<FailedAttempt> {
        self.attempts.lock().iter().find(|attempt| attempt.pair == *pair).cloned()
    }

    /// A pair with a held attempt, in rotation.
    fn next_pair(&self) -> Option<Pair> {
        let mut attempts = self.attempts.lock();
        let pair = attempts.front()?.pair;
        attempts.rotate_left(1);
        Some(pair)
    }

    fn remove(&self, recorded: &AuditEvent) {
        let mut attempts = self.attempts.lock();
        if let Some(place) = attempts.iter().position(|attempt| attempt.event.id == recorded.id) {
            attempts.remove(place);
            self.meter.change(Gauge::AttemptsHeld, -1);
        }
    }
}

fn sum<'a>(stored: Failures, held: impl Iterator<Item = &'a FailedAttempt>, now: Timestamp) -> Failures {
    held.fold(stored, |sum, attempt| sum.and(Failures { count: 1, last_at: Some(attempt.event.at) }.restarted(now)))
}

/// There is no verdict, because a failed attempt has not been recorded.
pub(super) fn not_recorded() -> ServiceError {
    StoreError::Unavailable("failed attempts have not been recorded yet".into()).into()
}

impl Gates {
    /// Records a failed attempt, or holds it if the store does not take it. It counts either way.
    pub(super) async fn record_failure(&self, attempt: FailedAttempt) -> Result<(), ServiceError> {
        let recorded = self.try_to_record(&attempt).await;
        if recorded.is_err() {
            self.held.hold(attempt);
        }
        recorded
    }

    /// Records the held attempts of a pair, before it gets a verdict again. Only the holder of its turn may call this.
    ///
    /// An attempt whose outcome was unknown, or whose recording was cut off, may be counted twice, never not at all.
    pub(super) async fn record_held(&self, pair: &Pair) -> Result<(), ServiceError> {
        while let Some(held) = self.held.first_of(pair) {
            // A fresh id: the store would always refuse one that it already knows.
            let again = AuditEvent { id: self.new_id(), ..held.event.clone() };
            self.try_to_record(&FailedAttempt { event: again, ..held.clone() }).await?;
            self.held.remove(&held.event);
        }
        Ok(())
    }

    /// Keeps retrying to record the held attempts. Reports failures.
    pub(super) async fn keep_recording_held(&self, failed: impl Fn(&ServiceError)) {
        loop {
            self.held.added.notified().await;
            if let Err(error) = self.record_all_held().await {
                failed(&error);
            }
            while self.held.next_pair().is_some() {
                self.ports.meter.count(Counter::UpkeepFailures(UpkeepTask::HeldAttempts));
                tokio::time::sleep(RECORD_AFTER).await;
                // The failure is reported once: what fails now failed before.
                let _ = self.record_all_held().await;
            }
        }
    }

    /// Records the held attempts of every pair, up to the first that the store does not take.
    pub(super) async fn record_all_held(&self) -> Result<(), ServiceError> {
        for _ in 0..MOST {
            let Some(pair) = self.held.next_pair() else { break };
            let slot = self.under_way.slot(pair);
            // The holder of a turn records the held attempts of the pair itself.
            if let Ok(_turn) = slot.turn.try_lock() {
                self.record_held(&pair).await?;
            }
        }
        Ok(())
    }

    async fn try_to_record(&self, attempt: &FailedAttempt) -> Result<(), ServiceError> {
        let FailedAttempt { pair, limit, event } = attempt;
        // The wait begins when it is recorded: another process may have recorded a later attempt meanwhile.
        let recorded = self.ports.store.record_failure(pair, self.now(), limit, event).await;
        // If the outcome is unknown, it may have been recorded.
        self.under_way.count_recorded();
        recorded?;
        self.committed(event.caller.tenant());
        Ok(())
    }
}
