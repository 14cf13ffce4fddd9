//! Refusals of permission and of attempts, with their repeats counted: a caller that is refused repeatedly makes few
//! audit events.
//!
//! The first refusal of a caller for an action, a resource and policies is recorded before it is returned, and opens a
//! window of a minute. Refusals like it within the window are counted in memory, and recorded as one more event when
//! the window is over, or when the service stops. Each event represents itself and the repeats that it counts, so that
//! all events together represent every refusal that was returned.
//!
//! A crash loses the counts of open windows, but never a first refusal.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OnceCell};

use super::Gates;
use super::upkeep::LastFailure;
use crate::domain::action::Action;
use crate::domain::audit_event::{AuditEvent, Repeats};
use crate::domain::caller::Caller;
use crate::domain::subject::SubjectId;
use crate::domain::time::{Timestamp, Window, minutes};
use crate::ports::StoreError;
use crate::ports::meter::UpkeepTask;
use crate::service::ServiceError;

/// How long refusals are counted after the first one.
const WINDOW: Duration = minutes(1);
/// How many sorts of refusals of one caller are distinguished. The others are counted by action alone.
const SORTS_OF_CALLER: usize = 60;
/// How many sorts are counted in total. A refusal beyond that is recorded individually.
const SORTS: usize = 16_384;
/// The resource of an event that represents refusals on several resources.
const SEVERAL: &str = "*";
/// How often to look for windows that are over.
const EVERY: Duration = Duration::from_secs(1);
/// How many events are recorded at the same time.
const AT_ONCE: usize = 64;

/// Refusals that are counted but not recorded yet.
#[derive(Default)]
pub(super) struct Refusals {
    counts: Mutex<Counts>,
    /// Held while counts are recorded, so that none is recorded twice.
    recording: Turn<()>,
}

#[derive(Default)]
struct Counts {
    of_callers: HashMap<Caller, HashMap<Sort, Counted>>,
    /// The total number of sorts.
    sorts: usize,
    /// Events to be recorded.
    ended: VecDeque<AuditEvent>,
}

/// What refusals of a caller that are counted together have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Sort {
    action: Action,
    resource: String,
    subject: Option<SubjectId>,
    policies: Vec<String>,
    /// The outcome as one word.
    outcome: &'static str,
}

struct Counted {
    window: Window,
    /// Whether the first one was recorded. Empty while it is being recorded.
    first: Arc<OnceCell<bool>>,
    /// The later ones: how many, when the first of them happened, and the last one.
    repeats: Option<(Repeats, AuditEvent)>,
}

/// The next step for a refusal.
enum Step {
    /// Nothing more: it is counted.
    Counted,
    /// It may be the first of its sort: the task that fills the cell records it, and the others wait for that.
    First(Arc<OnceCell<bool>>),
    /// There is no room to count it.
    Alone,
}

impl Counted {
    fn from(now: Timestamp) -> Self {
        // It opens a little earlier, because concurrent refusals arrive in any order.
        Self { window: Window::from(now, WINDOW), first: Arc::default(), repeats: None }
    }

    fn add(&mut self, event: &AuditEvent) {
        match &mut self.repeats {
            None => self.repeats = Some((Repeats { count: 1, since: event.at }, event.clone())),
            Some((repeats, last)) => {
                repeats.count = repeats.count.saturating_add(1);
                repeats.since = repeats.since.min(event.at);
                if event.at >= last.at {
                    last.clone_from(event);
                }
            }
        }
    }

    /// The event that represents all counted refusals.
    fn end(self, sort: Sort) -> Option<AuditEvent> {
        let (Repeats { count, since }, last) = self.repeats?;
        let repeats = (count > 1).then(|| Repeats { count: count.saturating_sub(1), since });
        let Sort { resource, subject, policies, .. } = sort;
        let mut event = AuditEvent { resource, subject, policies, ..last };
        event.outcome.set_repeats(repeats);
        Some(event)
    }
}

impl Sort {
    fn of(event: &AuditEvent) -> Self {
        Self { subject: event.subject, policies: event.policies.clone(), ..Self::several(event, &event.resource) }
    }

    /// The sort of all refusals like it that are not distinguished further.
    fn several(event: &AuditEvent, resource: &str) -> Self {
        let (action, outcome) = (event.action, event.outcome.as_str());
        Self { action, resource: resource.to_owned(), subject: None, policies: Vec::new(), outcome }
    }
}

impl Counts {
    /// Counts a refusal, if the first of its sort was recorded in a window that is open.
    fn take_in(&mut self, event: &AuditEvent) -> Step {
        self.end_windows_of(&event.caller, event.at);
        let has_room = self.sorts < SORTS;
        let of_caller = self.of_callers.get(&event.caller);
        let is_known = |sort: &Sort| of_caller.is_some_and(|sorts| sorts.contains_key(sort));
        let has_room_of_its_own = has_room && of_caller.map_or(0, HashMap::len) < SORTS_OF_CALLER;
        let (one, several) = (Sort::of(event), Sort::several(event, SEVERAL));
        let sort = if is_known(&one) || has_room_of_its_own {
            one
        } else if is_known(&several) || has_room {
            several
        } else {
            return Step::Alone;
        };
        let counted = match self.of_callers.entry(event.caller.clone()).or_default().entry(sort) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                self.sorts += 1;
                place.insert(Counted::from(event.at))
            }
        };
        match counted.first.get() {
            Some(true) => {
                counted.add(event);
                return Step::Counted;
            }
            // The store did not take it: the next one is the first.
            Some(false) => *counted = Counted::from(event.at),
            None => {}
        }
        Step::First(Arc::clone(&counted.first))
    }

    /// Ends the windows of a caller that are over.
    fn end_windows_of(&mut self, caller: &Caller, now: Timestamp) {
        if let Some(of_caller) = self.of_callers.get_mut(caller) {
            self.sorts -= end_windows(of_caller, Some(now), &mut self.ended);
        }
    }

    /// Ends the windows of every caller that are over by then; without a time, all of them.
    fn end_windows(&mut self, now: Option<Timestamp>) {
        self.of_callers.retain(|_, of_caller| {
            self.sorts -= end_windows(of_caller, now, &mut self.ended);
            !of_caller.is_empty()
        });
    }
}

/// Returns how many were ended.
fn end_windows(
    of_caller: &mut HashMap<Sort, Counted>,
    now: Option<Timestamp>,
    ended: &mut VecDeque<AuditEvent>,
) -> usize {
    let before = of_caller.len();
    let is_over = |counted: &Counted| now.is_none_or(|now| !counted.window.is_open(now));
    ended.extend(of_caller.extract_if(|_, counted| is_over(counted)).filter_map(|(sort, counted)| counted.end(sort)));
    before - of_caller.len()
}

impl Gates {
    /// Records a refusal, or counts it if one like it was recorded a moment ago.
    pub(super) async fn record_refusal(&self, event: AuditEvent) -> Result<(), ServiceError> {
        loop {
            let step = self.refusals.counts.lock().take_in(&event);
            let first = match step {
                Step::Counted => return Ok(()),
                Step::Alone => return Ok(self.ports.store.record(&event).await?),
                Step::First(first) => first,
            };
            let mut outcome = None;
            let record = async {
                let recorded = self.ports.store.record(&event).await;
                outcome.insert(recorded).is_ok()
            };
            let is_recorded = *first.get_or_init(|| record).await;
            match outcome {
                Some(recorded) => return Ok(recorded?),
                None if is_recorded => {}
                None => return Err(StoreError::Unavailable("a refusal like it was not recorded".into()).into()),
            }
        }
    }

    /// Records counts as their windows end, and those of comparisons, until the service stops. Reports failures.
    ///
    /// Must not be dropped while it records: what it has begun would then be recorded twice.
    pub(super) async fn keep_recording_repeats(&self, failed: impl Fn(&ServiceError)) {
        let mut due = tokio::time::interval(EVERY);
        let mut last = LastFailure::of(UpkeepTask::Refusals);
        let mut last_counts = LastFailure::of(UpkeepTask::Comparisons);
        while self.watches.stopping.run_until_cancelled(due.tick()).await.is_some() {
            last.report(&self.record_repeats_until(Some(self.now())).await, &*self.ports.meter, &failed);
            last_counts.report(&self.store_comparisons().await, &*self.ports.meter, &failed);
        }
    }

    /// Records all counts, including those of open windows and of comparisons.
    pub(in crate::service) async fn record_repeats(&self) -> Result<(), ServiceError> {
        self.record_repeats_until(None).await.and(self.store_comparisons().await)
    }

    async fn record_repeats_until(&self, now: Option<Timestamp>) -> Result<(), ServiceError> {
        let _turn = self.refusals.recording.lock().await;
        self.refusals.counts.lock().end_windows(now);
        loop {
            let events: Vec<_> = self.refusals.counts.lock().ended.iter().take(AT_ONCE).cloned().collect();
            if events.is_empty() {
                return Ok(());
            }
            let outcomes = join_all(events.iter().map(|event| self.ports.store.record(event))).await;
            let mut counts = self.refusals.counts.lock();
            let recorded = events.len().min(counts.ended.len());
            counts.ended.drain(..recorded);
            let mut failure = None;
            for (event, outcome) in events.into_iter().zip(outcomes) {
                if let Err(error) = outcome {
                    // A fresh id: the store would always refuse one that it may already know.
                    counts.ended.push_back(AuditEvent { id: self.new_id(), ..event });
                    failure = Some(error);
                }
            }
            if let Some(error) = failure {
                return Err(error.into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
