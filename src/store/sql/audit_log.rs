//! Decisions that changed nothing, recorded together.
//!
//! A commit has its price, however much it writes. So all decisions that come while one is being recorded are recorded
//! together next: a flood of refusals costs few commits, and each is durable before it is answered.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::upkeep::is_full;
use super::{SqlStore, audit_events};
use crate::domain::audit_event::AuditEvent;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::store::AuditLog;

/// How many are recorded in one transaction, so that nobody else waits long for it.
const AT_ONCE: usize = 64;

/// Decisions that wait to be recorded.
#[derive(Default)]
pub(super) struct Records(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: Vec<Waiting>,
    /// Whether there is a task that records them.
    is_served: bool,
}

struct Waiting {
    event: AuditEvent,
    outcome: oneshot::Sender<Result<(), StoreError>>,
}

impl Waiting {
    fn tell(self, outcome: Result<(), StoreError>) {
        // Who waited may have gone meanwhile.
        let _ = self.outcome.send(outcome);
    }
}

impl Records {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends one. Answers whether somebody has to be found who records it.
    fn push(&self, waiting: Waiting) -> bool {
        let mut line = self.line();
        line.waiting.push(waiting);
        !mem::replace(&mut line.is_served, true)
    }

    /// Those who have waited longest. Where nobody waits, whoever asked serves the line no longer.
    fn take(&self) -> Vec<Waiting> {
        let mut line = self.line();
        let count = line.waiting.len().min(AT_ONCE);
        line.is_served = count > 0;
        line.waiting.drain(..count).collect()
    }
}

/// Whoever serves the line. Where it ends by a panic, nobody waits for ever.
struct Serving(Option<Arc<Records>>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(records) = &self.0 {
            *records.line() = Line::default();
        }
    }
}

#[async_trait]
impl AuditLog for SqlStore {
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let (outcome, recorded) = oneshot::channel();
        if self.records.push(Waiting { event: event.clone(), outcome }) {
            tokio::spawn(self.clone().record_waiting());
        }
        match recorded.await {
            Ok(outcome) => outcome,
            // Whoever took it along was lost.
            Err(_) => self.record_all(&[event]).await,
        }
    }

    async fn remove_old_audit_events(&self, before: Timestamp) -> Result<bool, StoreError> {
        self.in_turn(|transaction| Box::pin(audit_events::remove_old(transaction, before))).await.map(is_full)
    }
}

impl SqlStore {
    async fn record_waiting(self) {
        let mut serving = Serving(Some(Arc::clone(&self.records)));
        loop {
            // Those who are about to come may come along.
            tokio::task::yield_now().await;
            let mut taken = self.records.take();
            if taken.is_empty() {
                serving.0 = None;
                return;
            }
            let events: Vec<_> = taken.iter().map(|waiting| &waiting.event).collect();
            match self.record_all(&events).await {
                Ok(()) => taken.into_iter().for_each(|waiting| waiting.tell(Ok(()))),
                Err(error) if taken.len() == 1 => {
                    if let Some(alone) = taken.pop() {
                        alone.tell(Err(error));
                    }
                }
                // Each alone: one that can't be recorded is no reason to lose the others.
                Err(_) => {
                    for waiting in taken {
                        let outcome = self.record_all(&[&waiting.event]).await;
                        waiting.tell(outcome);
                    }
                }
            }
        }
    }

    async fn record_all(&self, events: &[&AuditEvent]) -> Result<(), StoreError> {
        self.transact("record", |transaction| {
            Box::pin(async move {
                for event in events {
                    audit_events::insert(transaction, event).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
