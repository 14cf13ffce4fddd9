//! Whether a connection is in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::resets::{Resets, Verdict};
use crate::ports::Clock;

/// The calls of one connection: how many are open, and how many the peer cancelled.
pub(super) struct Activity {
    state: watch::Sender<State>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct State {
    open: usize,
    /// When the last stream was opened or closed.
    changed: Instant,
    resets: Resets,
    verdict: Verdict,
}

/// A stream that is open until this is dropped.
pub(super) struct OpenStream(Arc<Activity>);

impl Activity {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.instant();
        let state = State { open: 0, changed: now, resets: Resets::new(now), verdict: Verdict::Usual };
        Self { state: watch::Sender::new(state), clock }
    }

    /// Counts a stream.
    pub(super) fn open(self: &Arc<Self>) -> OpenStream {
        let now = self.clock.instant();
        self.state.send_if_modified(|state| {
            state.open += 1;
            state.changed = now;
            // A wait for silence looks again when its time is up.
            false
        });
        OpenStream(Arc::clone(self))
    }

    /// Counts a call that ended before its response was complete.
    pub(super) fn given_up(&self) {
        let now = self.clock.instant();
        self.state.send_if_modified(|state| {
            let before = state.verdict;
            state.verdict = before.max(state.resets.count(now));
            state.verdict != before
        });
    }

    /// Waits until the peer has cancelled so many calls that the verdict is reached.
    pub(super) async fn reaches(&self, verdict: Verdict) {
        // The sender is `self`, so it is still there.
        let _ = self.state.subscribe().wait_for(|state| state.verdict >= verdict).await;
    }

    /// Whether no stream has been open for `least`.
    pub(super) fn is_idle_for(&self, least: Duration) -> bool {
        let state = self.state.borrow();
        state.open == 0 && self.clock.instant().saturating_duration_since(state.changed) >= least
    }

    /// Waits until no stream has been open for `least`.
    pub(super) async fn idle_for(&self, least: Duration) {
        let mut state = self.state.subscribe();
        while !self.is_idle_for(least) {
            let since = state.wait_for(|state| state.open == 0).await.map(|state| state.changed);
            let until = since.unwrap_or_else(|_| self.clock.instant()) + least;
            tokio::time::sleep_until(until.into()).await;
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let now = self.0.clock.instant();
        self.0.state.send_if_modified(|state| {
            state.open = state.open.saturating_sub(1);
            state.changed = now;
            state.open == 0
        });
    }
}
