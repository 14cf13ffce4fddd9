//! What the watches of this process share: who watches, how far events have positions, and who gives them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Gates;
use crate::domain::caller::Caller;
use crate::domain::change_event::{KeptEvents, Position};
use crate::domain::names::TenantName;
use crate::service::ServiceError;
use crate::service::error::Interruption;

/// How soon events of other processes are looked for, while somebody watches.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// What is committed within so long gets its positions in one transaction.
const GATHER: Duration = Duration::from_millis(5);
/// How often events that nobody watches get their positions.
const UNWATCHED: Duration = Duration::from_mins(1);
/// How often it is told that something fails which fails each time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How watches are limited.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// How long events are kept.
    pub kept: Duration,
    /// How often a watcher is told where it is, and it is asked again whether it still may watch.
    pub heartbeat: Duration,
    /// How long a watcher that takes nothing is waited for.
    pub patience: Duration,
    /// How many watches one caller has at a time.
    pub per_caller: u32,
    /// How many watches one tenant has at a time.
    pub per_tenant: u32,
}

/// What the watches of this process share.
pub(super) struct Watches {
    /// How far events have positions, as far as this process knows.
    pub(super) numbered: watch::Sender<Position>,
    /// Somebody wants events to have positions.
    wanted: Notify,
    /// How many watch, by caller and by tenant. No tenant's name is a caller's: it holds no slash.
    open: Mutex<HashMap<String, u32>>,
    /// The service stops.
    pub(super) stopping: CancellationToken,
}

impl Default for Watches {
    fn default() -> Self {
        let (numbered, _) = watch::channel(Position(0));
        Self { numbered, wanted: Notify::new(), open: Mutex::default(), stopping: CancellationToken::new() }
    }
}

impl Watches {
    /// Takes a place among the watches, where there is one.
    pub(super) fn place(self: &Arc<Self>, caller: &Caller, tenant: &TenantName, limits: WatchLimits) -> Option<Place> {
        let bounds = [(caller.to_string(), limits.per_caller), (tenant.to_string(), limits.per_tenant)];
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if bounds.iter().any(|(key, most)| open.get(key).is_some_and(|count| count >= most)) {
            return None;
        }
        let keys = bounds.map(|(key, _)| key);
        for key in &keys {
            *open.entry(key.clone()).or_default() += 1;
        }
        Some(Place { watches: Arc::clone(self), keys })
    }

    fn is_watched(&self) -> bool {
        self.numbered.receiver_count() > 0
    }

    fn tell(&self, last: Position) {
        self.numbered.send_if_modified(|known| {
            let is_news = last > *known;
            *known = last.max(*known);
            is_news
        });
    }
}

/// A place among the watches, free again once this is dropped.
pub(super) struct Place {
    watches: Arc<Watches>,
    keys: [String; 2],
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.watches.open.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(count) = open.get_mut(key) {
                *count -= 1;
            }
        }
        open.retain(|_, count| *count > 0);
    }
}

impl Gates {
    /// Something was committed that watchers are to be told of.
    pub(in crate::service) fn committed(&self) {
        if self.watches.is_watched() {
            self.watches.wanted.notify_one();
        }
    }

    /// Ends every watch, and refuses new ones.
    pub(in crate::service) fn end_watches(&self) {
        self.watches.stopping.cancel();
    }

    /// Gives positions to change events as they come: at once, while somebody watches. Tells of what fails, now and then;
    /// watches that suffer from it end by themselves.
    pub(super) async fn keep_numbering(&self, failed: impl Fn(&ServiceError)) {
        let Self { watches, ports, .. } = self;
        let mut told: Option<Instant> = None;
        loop {
            if let Err(error) = self.number_change_events().await {
                let now = ports.clock.instant();
                if told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_AGAIN_AFTER) {
                    failed(&error);
                    told = Some(now);
                }
            }
            let look_again = if watches.is_watched() { LOOK_AGAIN } else { UNWATCHED };
            tokio::select! {
                () = watches.wanted.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(look_again) => {}
            }
        }
    }

    /// Gives positions to all events that have none.
    pub(super) async fn number_change_events(&self) -> Result<KeptEvents, ServiceError> {
        loop {
            let numbered = self.ports.store.number_change_events().await?;
            self.watches.tell(numbered.kept.last);
            if !numbered.more {
                return Ok(numbered.kept);
            }
        }
    }

    pub(super) fn want_positions(&self) {
        self.watches.wanted.notify_one();
    }

    pub(super) fn place(&self, caller: &Caller, tenant: &TenantName) -> Result<Place, ServiceError> {
        let place = self.watches.place(caller, tenant, self.installation.watches);
        place.ok_or(ServiceError::WatchInterrupted(Interruption::TooManyWatches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::FreeName;

    fn limits(per_caller: u32, per_tenant: u32) -> WatchLimits {
        let second = Duration::from_secs(1);
        WatchLimits { kept: second, heartbeat: second, patience: second, per_caller, per_tenant }
    }

    #[test]
    fn a_caller_and_a_tenant_have_so_many_places_and_no_more() {
        let watches = Arc::new(Watches::default());
        let acme = TenantName::parse("acme").unwrap();
        let service = |name| Caller::Service(acme.clone(), FreeName::parse(name).unwrap());
        let place = |name| watches.place(&service(name), &acme, limits(2, 3));
        let (first, second) = (place("a"), place("a"));
        assert!(first.is_some() && second.is_some() && place("a").is_none());
        let third = place("b");
        assert!(third.is_some() && place("b").is_none(), "the tenant has three");
        drop(first);
        assert!(place("b").is_some());
        drop((second, third));
        assert!(watches.open.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_known_of_positions_never_goes_back() {
        let watches = Watches::default();
        for (told, known) in [(5, 5), (3, 5), (7, 7)] {
            watches.tell(Position(told));
            assert_eq!(*watches.numbered.borrow(), Position(known));
        }
    }
}
