//! One watch: reads on from its cursor, leaves out what its caller may not see, and checks repeatedly whether the
//! caller still may watch.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::feeds::{Feed, Recent};
use super::lasting::LastingPermit;
use super::permit::resource;
use super::watches::WatchSlot;
use super::{Gates, Permit};
use crate::domain::change_event::Position;
use crate::domain::names::TenantName;
use crate::domain::resource::Resource;
use crate::domain::subject::SubjectId;
use crate::domain::tenant::Tenant;
use crate::domain::time::Timestamp;
use crate::ports::meter::Histogram;
use crate::ports::store::{Absent, Lookup};
use crate::ports::{AccessRequest, Decision};
use crate::service::ServiceError;
use crate::service::error::{Interruption, Missing};
use crate::service::requests::{WatchFrom, WatchItem};

/// How many events are read at a time.
const PAGE: u32 = 100;

/// One watch.
pub struct Watcher {
    gates: Arc<Gates>,
    lasting: LastingPermit,
    tenant: Tenant,
    /// All events up to here are sent or left out.
    cursor: Position,
    feed: Arc<Feed>,
    moved: watch::Receiver<Position>,
    slot: Arc<WatchSlot>,
    /// Earlier events say nothing about the lag of this watch.
    begun: Timestamp,
}

impl Gates {
    /// Begins a watch of a permitted tenant.
    pub(in crate::service) async fn watcher(
        self: &Arc<Self>,
        permit: Permit,
        tenant: TenantName,
        from: WatchFrom,
    ) -> Result<Watcher, ServiceError> {
        if self.watches.stopping.is_cancelled() {
            return Err(ServiceError::WatchInterrupted(Interruption::Stopping));
        }
        let slot = Arc::new(self.slot(permit.call().caller())?);
        let found = self.ports.store.tenant(&tenant).await?;
        let tenant = found.ok_or(ServiceError::NotFound(Missing::Tenant))?;
        // Events committed by this time come before "now".
        let kept = self.number_change_events().await?;
        let feed = self.watches.feeds.join(tenant.id, kept.last);
        let moved = feed.moved();
        self.want_positions();
        let cursor = match from {
            WatchFrom::Now => kept.last,
            WatchFrom::Oldest => kept.after,
            WatchFrom::Cursor(cursor) if kept.reaches_back_to(cursor) => cursor,
            WatchFrom::Cursor(_) => return Err(ServiceError::CursorExpired),
        };
        let lasting = LastingPermit::new(self, permit, Resource::Tenant(tenant.name.clone()));
        Ok(Watcher { gates: Arc::clone(self), lasting, tenant, cursor, feed, moved, slot, begun: self.now() })
    }
}

impl Watcher {
    /// The slot of this watch, taken for as long as its caller may still read what is queued.
    pub(in crate::service) fn slot(&self) -> Arc<WatchSlot> {
        Arc::clone(&self.slot)
    }

    /// Sends events to the caller until something ends the watch; returns what ended it.
    pub(in crate::service) async fn follow(mut self, items: mpsc::Sender<WatchItem>) -> ServiceError {
        let (ended, caller) = (self.lasting.ended(&self.gates), items.clone());
        tokio::select! {
            biased;
            error = ended => error,
            () = caller.closed() => ServiceError::Internal("the caller has hung up"),
            Err(error) = self.run(&items) => error,
        }
    }

    /// Sends the cursor of the watch first, so that a caller who receives nothing else has one.
    async fn run(&mut self, items: &mpsc::Sender<WatchItem>) -> Result<Infallible, ServiceError> {
        let mut heartbeat = tokio::time::interval(self.gates.installation.watches.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let cursor = self.cursor;
            let is_news = tokio::select! {
                // However many events are pending, a caller who may no longer watch is stopped in time.
                biased;
                _ = heartbeat.tick() => false,
                moved = self.moved.wait_for(|last| *last > cursor) => moved.is_ok(),
            };
            if is_news {
                self.read_on(items).await?;
            } else {
                self.lasting.check(&self.gates).await?;
                // Advance even if only other tenants' events came: a cursor that stays behind expires.
                if let Some((events, up_to)) = self.feed.after(cursor, 1)
                    && events.is_empty()
                {
                    self.cursor = up_to;
                }
                self.send(items, WatchItem { cursor: self.cursor, event: None }).await?;
            }
        }
    }

    async fn read_on(&mut self, items: &mpsc::Sender<WatchItem>) -> Result<(), ServiceError> {
        let (events, up_to) = match self.feed.after(self.cursor, PAGE as usize) {
            Some(recent) => recent,
            None => self.read_page().await?,
        };
        // Checked after the read: if the caller's own tenant still exists, the events are of that tenant.
        if !events.is_empty() {
            self.gates.check_evidence(self.lasting.call()).await?;
        }
        let mut judged = HashMap::new();
        for recent in events {
            // A caller who takes a page slowly is checked within the page.
            if self.lasting.is_due(&self.gates) {
                self.lasting.check(&self.gates).await?;
            }
            let cursor = recent.position;
            if self.may_see(&mut judged, &recent).await? {
                self.send(items, WatchItem { cursor, event: Some(recent.event.clone()) }).await?;
                self.measure_lag(recent.event.at);
            }
            self.cursor = cursor;
        }
        self.cursor = up_to;
        Ok(())
    }

    /// Continues from the store, if the feed does not reach back far enough.
    async fn read_page(&self) -> Result<(Vec<Arc<Recent>>, Position), ServiceError> {
        let page = self.gates.ports.store.change_events(self.tenant.id, self.cursor, PAGE).await?;
        if !page.kept.reaches_back_to(self.cursor) {
            return Err(ServiceError::CursorExpired);
        }
        let recent = |(position, event)| Arc::new(Recent::new(position, event));
        Ok((page.events.into_iter().map(recent).collect(), page.up_to))
    }

    /// Whether the caller may see what happened to a subject. A deleted subject is judged like one that never existed.
    async fn may_see(&self, judged: &mut HashMap<SubjectId, bool>, recent: &Recent) -> Result<bool, ServiceError> {
        let event = &recent.event;
        if let Some(&judgement) = judged.get(&event.subject) {
            return Ok(judgement);
        }
        let Gates { ports, .. } = self.gates.as_ref();
        // Read before the look-up: an event in between makes the look-up out of date.
        let newest = self.feed.newest();
        let mut found = recent.lookup.lock().await;
        let found = match &*found {
            Some((at, lookup)) if *at >= newest => lookup.clone(),
            _ => {
                let lookup = ports.store.look_up(&self.tenant.name, &event.name).await?;
                found.insert((newest, lookup)).1.clone()
            }
        };
        let lookup = match found {
            Lookup::Found(other) if other.id != event.subject => Lookup::Missing(Absent::Subject {
                region: other.name.instance().and_then(|_| other.attributes.view().region.cloned()),
            }),
            found => found,
        };
        let call = self.lasting.call();
        let action = call.caller.action();
        let resource = resource(action, &self.tenant.name, &event.name, &lookup, self.gates.default_region());
        let decision = ports.authorizer.decide(AccessRequest { caller: call.caller(), action, resource: &resource });
        let judgement = matches!(decision, Decision::Permitted { .. });
        judged.insert(event.subject, judgement);
        Ok(judgement)
    }

    /// Clocks of processes may differ: an event from the future has no lag.
    fn measure_lag(&self, at: Timestamp) {
        if at >= self.begun {
            let lag = self.gates.now().since(at).unwrap_or_default();
            self.gates.ports.meter.observe(Histogram::WatchLag, lag);
        }
    }

    async fn send(&self, items: &mpsc::Sender<WatchItem>, what: WatchItem) -> Result<(), ServiceError> {
        let patience = self.gates.installation.watches.patience;
        match tokio::time::timeout(patience, items.send(what)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ServiceError::WatchInterrupted(Interruption::TooSlow)),
        }
    }
}
