//! Group commit of decisions that changed nothing.
//!
//! A commit has a fixed cost, however much it writes. So decisions that arrive during a commit go together into the
//! next one: a flood of refusals costs few commits, and each decision is durable before it is answered.

use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{SqlStore, audit_events};
use crate::domain::audit_event::AuditEvent;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;

/// Maximum number of events in one transaction, so that other writers do not wait long.
const AT_ONCE: usize = 64;

/// Queue of decisions to record.
#[derive(Default)]
pub(super) struct Records(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: Vec<Waiting>,
    /// Whether a task is recording the queue.
    is_served: bool,
}

struct Waiting {
    event: AuditEvent,
    outcome: oneshot::Sender<Result<(), StoreError>>,
}

impl Waiting {
    fn tell(self, outcome: Result<(), StoreError>) {
        // The receiver may be gone.
        let _ = self.outcome.send(outcome);
    }
}

impl Records {
    /// Appends one. Returns whether the caller has to start a task that records the queue.
    fn push(&self, waiting: Waiting) -> bool {
        let mut line = self.0.lock();
        line.waiting.push(waiting);
        !mem::replace(&mut line.is_served, true)
    }

    /// Takes the oldest entries. If there are none, marks the queue as no longer served.
    fn take(&self) -> Vec<Waiting> {
        let mut line = self.0.lock();
        let count = line.waiting.len().min(AT_ONCE);
        line.is_served = count > 0;
        line.waiting.drain(..count).collect()
    }
}

/// Guard of the recording task. If the task panics, dropping it clears the queue, so that no waiter blocks forever.
struct Serving(Option<Arc<Records>>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(records) = &self.0 {
            *records.0.lock() = Line::default();
        }
    }
}

impl SqlStore {
    /// Records a decision together with those that arrive during the same commit.
    pub(super) async fn record_in_group(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let (outcome, recorded) = oneshot::channel();
        if self.records.push(Waiting { event: event.clone(), outcome }) {
            tokio::spawn(self.clone().record_waiting());
        }
        match recorded.await {
            Ok(outcome) => outcome,
            // The task that took the event was lost.
            Err(_) => self.record_all(&[event]).await,
        }
    }

    async fn record_waiting(self) {
        let mut serving = Serving(Some(Arc::clone(&self.records)));
        loop {
            // Let callers that are about to push join this batch.
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
                // Record each alone: one event that cannot be recorded must not take the others with it.
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
        self.write(StoreWork::Record)
            .run(|transaction| {
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
