//! Failed attempts that the store has not taken yet. While a pair has one here, it is given no verdict: so that a store
//! that takes no writes gives nobody more guesses than the allowance.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Gates;
use crate::domain::attempts::{Backoff, Failures, Pair, StoredFailures};
use crate::domain::audit_event::AuditEvent;
use crate::ports::StoreError;
use crate::service::ServiceError;

/// With so many held, no attempt of anybody is reserved. Those that are under way by then still find room.
const MOST: usize = 4096;
/// How soon the store is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A failed attempt, as the store is to record it.
#[derive(Clone)]
pub(super) struct FailedAttempt {
    pub(super) pair: Pair,
    pub(super) limit: Backoff,
    pub(super) event: AuditEvent,
}

/// Failed attempts that the store has not taken yet, in memory.
#[derive(Default)]
pub(super) struct Held {
    attempts: Mutex<VecDeque<FailedAttempt>>,
    added: Notify,
}

impl Held {
    /// Holds one more.
    pub(super) fn hold(&self, attempt: FailedAttempt) {
        self.attempts().push_back(attempt);
        self.added.notify_one();
    }

    /// Whether there is one of that pair.
    pub(super) fn holds(&self, pair: &Pair) -> bool {
        self.first_of(pair).is_some()
    }

    /// Whether there are so many that no attempt may be reserved.
    pub(super) fn is_full(&self) -> bool {
        self.attempts().len() >= MOST
    }

    /// What is stored, and what is held of the pair and of its subject.
    pub(super) fn added_to(&self, stored: StoredFailures, pair: &Pair) -> StoredFailures {
        let attempts = self.attempts();
        let of_subject = || attempts.iter().filter(|attempt| attempt.pair.subject == pair.subject);
        StoredFailures {
            by_caller: sum(stored.by_caller, of_subject().filter(|attempt| attempt.pair == *pair)),
            by_all: sum(stored.by_all, of_subject()),
        }
    }

    fn first_of(&self, pair: &Pair) -> Option<FailedAttempt> {
        self.attempts().iter().find(|attempt| attempt.pair == *pair).cloned()
    }

    /// A pair that has one, in turn.
    fn next_pair(&self) -> Option<Pair> {
        let mut attempts = self.attempts();
        let pair = attempts.front()?.pair;
        attempts.rotate_left(1);
        Some(pair)
    }

    fn remove(&self, recorded: &AuditEvent) {
        self.attempts().retain(|attempt| attempt.event.id != recorded.id);
    }

    fn attempts(&self) -> MutexGuard<'_, VecDeque<FailedAttempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum<'a>(stored: Failures, held: impl Iterator<Item = &'a FailedAttempt>) -> Failures {
    held.fold(stored, |sum, attempt| sum.and(Failures { count: 1, last_at: Some(attempt.event.at) }))
}

/// No verdict is given, because a failed attempt has not been recorded.
pub(super) fn not_recorded() -> ServiceError {
    StoreError::Unavailable("failed attempts have not been recorded yet".into()).into()
}

impl Gates {
    /// Records a failed attempt, or holds it where the store does not take it. It counts either way.
    pub(super) async fn record_failure(&self, attempt: FailedAttempt) -> Result<(), ServiceError> {
        let recorded = self.try_to_record(&attempt).await;
        if recorded.is_err() {
            self.held.hold(attempt);
        }
        recorded
    }

    /// Records what is held of a pair, before it is given a verdict again. Only the holder of its turn may.
    ///
    /// An attempt whose outcome was unknown, or whose recording was cut off, may be counted twice, never not at all.
    pub(super) async fn record_held(&self, pair: &Pair) -> Result<(), ServiceError> {
        while let Some(held) = self.held.first_of(pair) {
            // A fresh id: one that the store knows already would be refused for ever.
            let again = AuditEvent { id: self.new_id(), ..held.event.clone() };
            self.try_to_record(&FailedAttempt { event: again, ..held.clone() }).await?;
            self.held.remove(&held.event);
        }
        Ok(())
    }

    /// Tries again and again to record what is held. Tells of what fails.
    pub(super) async fn keep_recording_held(&self, failed: impl Fn(&ServiceError)) {
        loop {
            self.held.added.notified().await;
            if let Err(error) = self.record_all_held().await {
                failed(&error);
            }
            while self.held.next_pair().is_some() {
                tokio::time::sleep(TRY_AGAIN).await;
                // It is told once: what fails now failed before.
                let _ = self.record_all_held().await;
            }
        }
    }

    /// Records what is held of every pair, up to the first that the store does not take.
    pub(super) async fn record_all_held(&self) -> Result<(), ServiceError> {
        for _ in 0..MOST {
            let Some(pair) = self.held.next_pair() else { break };
            let slot = self.under_way.slot(pair);
            // The holder of a turn records what is held of the pair itself.
            if let Ok(_turn) = slot.turn.try_lock() {
                self.record_held(&pair).await?;
            }
        }
        Ok(())
    }

    async fn try_to_record(&self, attempt: &FailedAttempt) -> Result<(), ServiceError> {
        let FailedAttempt { pair, limit, event } = attempt;
        // The wait begins when it is recorded: another process may have recorded a later attempt meanwhile.
        self.ports.store.record_failure(pair, self.now(), limit, event).await?;
        self.committed(event.caller.tenant());
        Ok(())
    }
}
