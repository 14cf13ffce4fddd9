//! Decisions that changed nothing, recorded together.
//!
//! A commit has its price, however much it writes. So whoever records a decision brings along those of all who came
//! meanwhile: a flood of refusals costs few commits, and each is durable before it is answered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::{SqlStore, audit};
use crate::domain::audit_event::AuditEvent;
use crate::ports::StoreError;

/// How many are recorded in one transaction, so that nobody else waits long for it.
const AT_ONCE: usize = 64;

/// Decisions that wait to be recorded.
#[derive(Default)]
pub(super) struct Records {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    event: AuditEvent,
    /// Dropped unsaid where it came to nothing.
    recorded: oneshot::Sender<()>,
}

impl Waiting {
    fn tell(self) {
        // Who waited may have gone meanwhile.
        let _ = self.recorded.send(());
    }
}

impl Records {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who have waited longest.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(AT_ONCE);
        waiting.drain(..count).collect()
    }
}

impl SqlStore {
    /// Records a decision, with those of others.
    pub(super) async fn record_together(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let (recorded, mut is_recorded) = oneshot::channel();
        self.records.waiting().push(Waiting { event: event.clone(), recorded });
        // To write does not wait for anything in the embedded database: nobody else would get to come along.
        tokio::task::yield_now().await;
        loop {
            let turn = self.records.turn.lock().await;
            match is_recorded.try_recv() {
                Ok(()) => return Ok(()),
                // Who took it along failed, or hung up.
                Err(TryRecvError::Closed) => {
                    drop(turn);
                    return self.record_all(&[event]).await;
                }
                Err(TryRecvError::Empty) => {}
            }
            let taken = self.records.take();
            let events: Vec<_> = taken.iter().map(|waiting| &waiting.event).collect();
            match self.record_all(&events).await {
                Ok(()) => taken.into_iter().for_each(Waiting::tell),
                Err(error) if events.len() == 1 => return Err(error),
                // Each alone: one that can't be recorded is no reason to lose the others.
                Err(_) => {}
            }
        }
    }

    async fn record_all(&self, events: &[&AuditEvent]) -> Result<(), StoreError> {
        self.transact("record", |transaction| {
            Box::pin(async move {
                for event in events {
                    audit::insert(transaction, event).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
