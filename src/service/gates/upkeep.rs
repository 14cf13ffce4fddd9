//! Upkeep of the store while the service runs, with or without calls.

use std::time::Duration;

use super::Gates;
use crate::domain::time::{Timestamp, days};
use crate::ports::StoreError;
use crate::ports::meter::{Counter, Gauge, Meter, UpkeepTask};
use crate::service::ServiceError;

/// How often rows that are over are removed.
const EVERY: Duration = Duration::from_mins(1);
/// How long they stay after that. A clock that is a day ahead ends what is open, and may be set right again:
/// nothing is lost for good by then.
const SPARED: Duration = days(2);
/// The pause between two parts of the removal: password changes have priority.
const PAUSE: Duration = Duration::from_millis(20);

impl Gates {
    /// Gives positions to change events and audit events, removes rows that are over, and records failed attempts that
    /// are held and refusals that were counted, and delivers passwords to nodes, until the service stops. Failures are reported and retried.
    pub(in crate::service) async fn tend_store(&self, failed: impl Fn(&ServiceError)) {
        let tend = async {
            let recording = self.keep_recording_held(&failed);
            let closing = self.keep_closing_audit_ranges(&failed);
            tokio::join!(self.keep_numbering(&failed), self.keep_removing(&failed), recording, closing)
        };
        let (repeats, delivering) = (self.keep_recording_repeats(&failed), self.keep_delivering(&failed));
        tokio::join!(self.watches.stopping.run_until_cancelled(tend), repeats, delivering);
    }

    async fn keep_removing(&self, failed: impl Fn(&ServiceError)) {
        let mut due = tokio::time::interval(EVERY);
        let mut last = [UpkeepTask::Removal; 5].map(LastFailure::of);
        loop {
            due.tick().await;
            let (now, store) = (self.now(), &self.ports.store);
            let events_before = now.before(self.installation.watches.kept);
            // The database protects recent ones by its own clock, which may be behind.
            let audit_before = now.before(self.installation.audit_kept).before(SPARED);
            let failures_count_for = self.installation.attempts.pair.counts_for;
            let removed = [
                in_parts(|| store.purge_change_events(events_before)).await,
                in_parts(|| store.remove_old(now.before(SPARED))).await,
                in_parts(|| store.remove_old_failures(now.before(SPARED), failures_count_for)).await,
                // Not spared: they are kept for longer than they have an effect anyway, and there may be many.
                in_parts(|| store.remove_spent_nonces(now)).await,
                in_parts(|| store.remove_old_audit_events(audit_before, &*self.ports.sealer)).await,
            ];
            // A failure is one of the store, which the removals report.
            if let Ok(expiry) = store.next_expiry(now).await {
                self.ports.meter.set(Gauge::TokenExpiry, expiry.map_or(0, Timestamp::as_seconds));
            }
            last.iter_mut().zip(&removed).for_each(|(last, removed)| last.report(removed, &*self.ports.meter, &failed));
        }
    }
}

/// Removes parts for as long as there may be more.
async fn in_parts<Part: Future<Output = Result<bool, StoreError>>>(
    remove: impl Fn() -> Part,
) -> Result<(), ServiceError> {
    while remove().await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// The last failure of a task.
pub(super) struct LastFailure {
    task: UpkeepTask,
    failure: Option<String>,
}

impl LastFailure {
    pub(super) const fn of(task: UpkeepTask) -> Self {
        Self { task, failure: None }
    }

    /// Counts a failure, and reports it once, until the task works again or fails for another reason.
    pub(super) fn report(
        &mut self,
        outcome: &Result<(), ServiceError>,
        meter: &dyn Meter,
        failed: impl Fn(&ServiceError),
    ) {
        let failure = outcome.as_ref().err().map(|error| format!("{error:?}"));
        if let Err(error) = outcome {
            meter.count(Counter::UpkeepFailures(self.task));
            if failure != self.failure {
                failed(error);
            }
        }
        self.failure = failure;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ports::NoMeter;

    #[test]
    fn a_failure_is_reported_once_until_it_is_over_or_another_one() {
        let failure = |cause: &str| Err(ServiceError::Store(StoreError::Unavailable(cause.into())));
        let (mut last, lines) = (LastFailure::of(UpkeepTask::Removal), Cell::new(0));
        let steps =
            [(Ok(()), 0), (failure("a"), 1), (failure("a"), 1), (failure("b"), 2), (Ok(()), 2), (failure("b"), 3)];
        for (outcome, expected) in steps {
            last.report(&outcome, &NoMeter, |_| lines.set(lines.get() + 1));
            assert_eq!(lines.get(), expected, "{outcome:?}");
        }
    }
}
