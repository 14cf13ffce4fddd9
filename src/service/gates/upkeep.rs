//! What is done for the store while the service runs, whether somebody calls or not.

use std::time::Duration;

use super::Gates;
use crate::domain::time::days;
use crate::service::ServiceError;

/// How often what is over is removed.
const EVERY: Duration = Duration::from_mins(1);
/// How long it stays after that. A clock that is a day ahead ends what is open, and may be set right again: nothing is
/// gone for good by then.
const SPARED: Duration = days(2);
/// Between one part of it and the next: those who change passwords come first.
const PAUSE: Duration = Duration::from_millis(20);

impl Gates {
    /// Gives positions to change events, removes what is over, and records failed attempts that are held and refusals that
    /// were counted, until the service stops. What fails is told, and tried again.
    pub(in crate::service) async fn tend_store(&self, failed: impl Fn(&ServiceError)) {
        let tend = async {
            let recording = self.keep_recording_held(&failed);
            tokio::join!(self.keep_numbering(&failed), self.keep_removing(&failed), recording)
        };
        tokio::join!(self.watches.stopping.run_until_cancelled(tend), self.keep_recording_repeats(&failed));
    }

    async fn keep_removing(&self, failed: impl Fn(&ServiceError)) {
        let mut due = tokio::time::interval(EVERY);
        loop {
            due.tick().await;
            for removed in [self.remove_old_events().await, self.remove_old().await] {
                if let Err(error) = removed {
                    failed(&error);
                }
            }
        }
    }

    async fn remove_old_events(&self) -> Result<(), ServiceError> {
        let before = self.now().before(self.installation.watches.kept);
        while self.ports.store.purge_change_events(before).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn remove_old(&self) -> Result<(), ServiceError> {
        let spared_since = self.now().before(SPARED);
        while self.ports.store.remove_old(spared_since).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
