//! State shared by the watches of this process: the callers that watch, how far events have positions, and the task
//! that gives them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Gates;
use super::feeds::Feeds;
use crate::domain::caller::Caller;
use crate::domain::change_event::KeptEvents;
use crate::domain::names::TenantName;
use crate::ports::meter::{Counter, Gauge, Gauged, Meter, UpkeepTask};
use crate::service::ServiceError;
use crate::service::error::Interruption;

/// How often to look for events of other processes, while there are watches.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Events committed within this time get their positions in one transaction.
const GATHER: Duration = Duration::from_millis(5);
/// How often events get their positions while there are no watches.
const UNWATCHED: Duration = Duration::from_mins(1);
/// How many events are read in one statement.
const READ_AT_ONCE: u32 = 500;
/// How often a failure that continues is reported.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// The limits for watches.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// How long events are kept.
    pub kept: Duration,
    /// How often a watcher gets its cursor, and its permission is checked again.
    pub heartbeat: Duration,
    /// How long to wait for a watcher that takes nothing.
    pub patience: Duration,
    /// How many watches one caller has at a time.
    pub per_caller: u32,
    /// How many watches all callers of one tenant have at a time.
    pub per_tenant: u32,
}

/// State shared by the watches of this process.
#[derive(Default)]
pub(super) struct Watches {
    /// The last events of the tenants that are watched.
    pub(super) feeds: Feeds,
    /// Signals that events need positions.
    wanted: Notify,
    /// The number of watches by caller and by tenant. No tenant's name is a caller's: it holds no slash.
    open: Mutex<HashMap<String, u32>>,
    /// Cancelled when the service stops.
    pub(super) stopping: CancellationToken,
}

impl Watches {
    /// Takes a slot, if the caller and its tenant have one left. An operator has no tenant, and takes no slot of the one that
    /// it looks at.
    pub(super) fn slot(
        self: &Arc<Self>,
        caller: &Caller,
        limits: WatchLimits,
        meter: &Arc<dyn Meter>,
    ) -> Option<WatchSlot> {
        let of_tenant = caller.tenant().map(|tenant| (tenant.to_string(), limits.per_tenant));
        let bounds: Vec<_> = [(caller.to_string(), limits.per_caller)].into_iter().chain(of_tenant).collect();
        let mut open = self.open.lock();
        if bounds.iter().any(|(key, most)| open.get(key).is_some_and(|count| count >= most)) {
            return None;
        }
        let keys: Vec<_> = bounds.into_iter().map(|(key, _)| key).collect();
        for key in &keys {
            *open.entry(key.clone()).or_default() += 1;
        }
        Some(WatchSlot { watches: Arc::clone(self), keys, _gauged: Gauged::new(meter, Gauge::Watches) })
    }
}

/// One of the watches that a caller and a tenant may have at a time, one that reads the audit log included; dropping
/// this frees it.
pub struct WatchSlot {
    watches: Arc<Watches>,
    keys: Vec<String>,
    _gauged: Gauged,
}

impl Drop for WatchSlot {
    fn drop(&mut self) {
        let mut open = self.watches.open.lock();
        for key in &self.keys {
            if let Some(count) = open.get_mut(key) {
                *count -= 1;
            }
        }
        open.retain(|_, count| *count > 0);
    }
}

impl Gates {
    /// Reports a commit to the watches of a tenant, or of any tenant if none is named.
    pub(in crate::service) fn committed(&self, tenant: Option<&TenantName>) {
        let is_watched = {
            let open = self.watches.open.lock();
            tenant.map_or(!open.is_empty(), |tenant| open.contains_key(tenant.as_str()))
        };
        if is_watched {
            self.watches.wanted.notify_one();
        }
    }

    /// Ends every watch, and refuses new ones.
    pub(in crate::service) fn end_watches(&self) {
        self.watches.stopping.cancel();
    }

    /// Gives positions to change events as they come: at once, while there are watches. Reports failures now and then;
    /// watches that are affected end by themselves.
    pub(super) async fn keep_numbering(&self, failed: impl Fn(&ServiceError)) {
        let Self { watches, ports, .. } = self;
        let mut reported: Option<Instant> = None;
        // The lag begins now, also if the store does not answer.
        ports.meter.set(Gauge::ChangeEventsNumbered, self.now().as_seconds());
        loop {
            let now = self.now();
            let numbered = self.number_and_read().await;
            if numbered.is_ok() {
                ports.meter.set(Gauge::ChangeEventsNumbered, now.as_seconds());
            }
            if let Err(error) = numbered {
                ports.meter.count(Counter::UpkeepFailures(UpkeepTask::Numbering));
                let now = ports.clock.instant();
                if reported.is_none_or(|at| now.saturating_duration_since(at) >= REPORT_EVERY) {
                    failed(&error);
                    reported = Some(now);
                }
            }
            let look_again = if watches.open.lock().is_empty() { UNWATCHED } else { LOOK_AGAIN };
            tokio::select! {
                () = watches.wanted.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(look_again) => {}
            }
        }
    }

    /// Gives positions to all events that have none, and reads the events that got one since, once for all watches.
    async fn number_and_read(&self) -> Result<(), ServiceError> {
        let last = self.number_change_events().await?.last;
        while let Some(after) = self.watches.feeds.behind(last) {
            let page = self.ports.store.all_change_events(after, READ_AT_ONCE).await?;
            self.watches.feeds.take_in(after, page);
        }
        Ok(())
    }

    /// Gives positions to all events that have none.
    pub(super) async fn number_change_events(&self) -> Result<KeptEvents, ServiceError> {
        loop {
            let numbered = self.ports.store.number_change_events().await?;
            if !numbered.more {
                return Ok(numbered.kept);
            }
        }
    }

    pub(super) fn want_positions(&self) {
        self.watches.wanted.notify_one();
    }

    pub(super) fn slot(&self, caller: &Caller) -> Result<WatchSlot, ServiceError> {
        let slot = self.watches.slot(caller, self.installation.watches, &self.ports.meter);
        slot.ok_or(ServiceError::WatchInterrupted(Interruption::TooManyWatches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::FreeName;
    use crate::ports::NoMeter;

    fn limits(per_caller: u32, per_tenant: u32) -> WatchLimits {
        let second = Duration::from_secs(1);
        WatchLimits { kept: second, heartbeat: second, patience: second, per_caller, per_tenant }
    }

    #[test]
    fn a_caller_and_a_tenant_have_so_many_slots_and_no_more() {
        let watches = Arc::new(Watches::default());
        let acme = TenantName::parse("acme").unwrap();
        let service = |name| Caller::Service(acme.clone(), FreeName::parse(name).unwrap());
        let meter: Arc<dyn Meter> = Arc::new(NoMeter);
        let slot = |name| watches.slot(&service(name), limits(2, 3), &meter);
        let operator = |name| watches.slot(&Caller::Operator(FreeName::parse(name).unwrap()), limits(2, 3), &meter);
        let [of_operators, too_many] = [("a", "b"), ("a", "a")].map(|(one, other)| (operator(one), operator(other)));
        assert!(of_operators.0.is_some() && of_operators.1.is_some() && too_many.0.is_some() && too_many.1.is_none());
        let (first, second) = (slot("a"), slot("a"));
        assert!(first.is_some() && second.is_some() && slot("a").is_none());
        let third = slot("b");
        assert!(third.is_some() && slot("b").is_none(), "the tenant has three");
        drop(first);
        assert!(slot("b").is_some());
        drop((second, third, of_operators, too_many));
        assert!(watches.open.lock().is_empty());
    }
}
