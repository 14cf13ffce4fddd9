//! The last events of each watched tenant, read from the store once and shared by its watches.
//!
//! One task of the process reads the events that got positions since its last read, and puts each into the feed of its
//! tenant. A feed holds a bounded number of events. A watch that lags behind reads from the store itself until it has
//! caught up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, watch};

use crate::domain::change_event::{ChangeEvent, Position};
use crate::domain::tenant::TenantId;
use crate::ports::store::{ChangeEventPage, Lookup};

/// How many events a feed holds.
const HELD: usize = 256;

/// The feeds of the tenants that are watched.
#[derive(Default)]
pub(super) struct Feeds(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Every event up to here is in the feed of its tenant, if that has one.
    up_to: Position,
    of_tenants: HashMap<TenantId, Weak<Feed>>,
}

/// The last events of a tenant.
pub(super) struct Feed {
    events: Mutex<Held>,
    /// The position of the newest event.
    moved: watch::Sender<Position>,
}

struct Held {
    /// Every event of the tenant from after this up to `up_to` is held.
    after: Position,
    up_to: Position,
    events: VecDeque<Arc<Recent>>,
}

/// An event of a feed.
pub(super) struct Recent {
    pub(super) position: Position,
    pub(super) event: ChangeEvent,
    /// What was found under the name of its subject, and the newest event of the tenant at that time. It is looked up
    /// once for all watches, and again after a newer event: the subject may have been deleted or replaced since.
    pub(super) lookup: Turn<Option<(Position, Lookup)>>,
}

impl Recent {
    pub(super) fn new(position: Position, event: ChangeEvent) -> Self {
        Self { position, event, lookup: Turn::default() }
    }
}

impl Feeds {
    /// The feed of a tenant, created by its first watch. `last` is the last position that was given.
    pub(super) fn join(&self, tenant: TenantId, last: Position) -> Arc<Feed> {
        let mut known = self.0.lock();
        known.of_tenants.retain(|_, feed| feed.strong_count() > 0);
        if let Some(feed) = known.of_tenants.get(&tenant).and_then(Weak::upgrade) {
            return feed;
        }
        if known.of_tenants.is_empty() {
            // Nothing was read while no tenant was watched.
            known.up_to = known.up_to.max(last);
        }
        let held = Held { after: known.up_to, up_to: known.up_to, events: VecDeque::new() };
        let feed = Arc::new(Feed { events: Mutex::new(held), moved: watch::Sender::new(known.up_to) });
        known.of_tenants.insert(tenant, Arc::downgrade(&feed));
        feed
    }

    /// Where to resume reading, if any tenant is watched and there are events up to `last`.
    pub(super) fn behind(&self, last: Position) -> Option<Position> {
        let known = self.0.lock();
        let is_watched = known.of_tenants.values().any(|feed| feed.strong_count() > 0);
        (is_watched && known.up_to < last).then_some(known.up_to)
    }

    /// Puts the events that were read after a position into the feeds. If they do not begin there, because those are no
    /// longer kept, or if one of them can't be read, each watch has to find that out by itself.
    pub(super) fn take_in(&self, after: Position, page: ChangeEventPage<(TenantId, Option<ChangeEvent>)>) {
        let mut known = self.0.lock();
        if known.up_to != after {
            return;
        }
        known.up_to = page.up_to;
        let has_gap = !page.kept.reaches_back_to(after);
        // `None` if one of them can't be read.
        let mut of_tenants: HashMap<TenantId, Option<Vec<Arc<Recent>>>> = HashMap::new();
        for (position, (tenant, event)) in page.events {
            if known.of_tenants.contains_key(&tenant) {
                let events = of_tenants.entry(tenant).or_insert_with(|| Some(Vec::new()));
                *events = events.take().zip(event).map(|(mut events, event)| {
                    events.push(Arc::new(Recent::new(position, event)));
                    events
                });
            }
        }
        for (tenant, feed) in &known.of_tenants {
            if let Some(feed) = feed.upgrade() {
                let events = of_tenants.remove(tenant).unwrap_or_else(|| Some(Vec::new()));
                let has_gap = has_gap || events.is_none();
                feed.take_in(events.unwrap_or_default(), page.up_to, has_gap);
            }
        }
    }
}

impl Feed {
    /// Signals that there are events after a position.
    pub(super) fn moved(&self) -> watch::Receiver<Position> {
        self.moved.subscribe()
    }

    /// The position of the newest event.
    pub(super) fn newest(&self) -> Position {
        *self.moved.borrow()
    }

    /// The events after a position, at most `most`, and where to resume; `None` if the feed does not reach back that
    /// far.
    pub(super) fn after(&self, position: Position, most: usize) -> Option<(Vec<Arc<Recent>>, Position)> {
        let held = self.events.lock();
        if position < held.after {
            return None;
        }
        let start = held.events.partition_point(|recent| recent.position <= position);
        let events: Vec<_> = held.events.range(start..).take(most).cloned().collect();
        let is_all = start + events.len() == held.events.len();
        let up_to =
            if is_all { held.up_to.max(position) } else { events.last().map_or(position, |last| last.position) };
        Some((events, up_to))
    }

    fn take_in(&self, events: Vec<Arc<Recent>>, up_to: Position, has_gap: bool) {
        let mut held = self.events.lock();
        if has_gap {
            held.events.clear();
            held.after = up_to;
        }
        let is_news = has_gap || !events.is_empty();
        held.events.extend(events);
        let surplus = held.events.len().saturating_sub(HELD);
        let dropped = held.events.drain(..surplus).next_back();
        held.after = dropped.map_or(held.after, |last| last.position);
        held.up_to = up_to;
        drop(held);
        if is_news {
            self.moved.send_replace(up_to);
        }
    }
}
