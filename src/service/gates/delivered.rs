//! Calls that wait until their passwords are delivered.
//!
//! None of them asks the store again and again: the deliveries of this process tell them what they have recorded, and what
//! other processes have recorded is read for all of them at once.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout_at;

use super::Gates;
use crate::domain::credential::Version;
use crate::domain::delivery_progress::{Deliver, DeliveryProgress, SeenDelivery};
use crate::domain::subject::SubjectId;
use crate::ports::Deadline;
use crate::service::ServiceError;

/// How many calls wait at a time. Further ones are answered at once.
const MOST_WAITING: usize = 1000;

/// What is known of the delivery of an account's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing yet.
    Unread,
    /// What was last seen.
    Seen(SeenDelivery),
    /// There is no delivery any more: its account or the endpoint is deleted.
    Gone,
}

/// The calls that wait, by account.
pub(super) struct Waiters {
    places: Semaphore,
    of: Mutex<HashMap<SubjectId, watch::Sender<Known>>>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { places: Semaphore::new(MOST_WAITING), of: Mutex::default() }
    }
}

impl Waiters {
    /// A call that waits, if there is a place for it.
    fn enter(&self, subject: SubjectId) -> Option<Waiter<'_>> {
        let place = self.places.try_acquire().ok()?;
        let mut of = self.of.lock();
        let news = of.entry(subject).or_insert_with(|| watch::Sender::new(Known::Unread)).subscribe();
        Some(Waiter { waiters: self, subject, news: Some(news), _place: place })
    }

    /// Those whose calls wait.
    pub(super) fn subjects(&self) -> Vec<SubjectId> {
        self.of.lock().keys().copied().collect()
    }

    /// Tells the calls that wait for an account what was seen of its delivery.
    pub(super) fn tell(&self, subject: SubjectId, seen: Option<SeenDelivery>) {
        if let Some(news) = self.of.lock().get(&subject) {
            news.send_replace(seen.map_or(Known::Gone, Known::Seen));
        }
    }
}

/// A call that waits.
struct Waiter<'a> {
    waiters: &'a Waiters,
    subject: SubjectId,
    /// `None` once it is dropped.
    news: Option<watch::Receiver<Known>>,
    _place: SemaphorePermit<'a>,
}

impl Waiter<'_> {
    /// What is known, once that is something new.
    async fn news(&mut self) -> Known {
        let Some(news) = &mut self.news else { return Known::Gone };
        // The sender is there for as long as this is.
        drop(news.changed().await);
        *news.borrow_and_update()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Dropped with the lock held, so that the last of several that end together finds no other.
        let mut of = self.waiters.of.lock();
        self.news = None;
        if of.get(&self.subject).is_some_and(|news| news.receiver_count() == 0) {
            of.remove(&self.subject);
        }
    }
}

impl Gates {
    /// How far the delivery of a password is that was just set; `None` if its instance has no endpoint. Waits for it if that is
    /// asked for, until the deadline comes near or the service stops. The password is set: a store that does not answer is no
    /// error any more, but a delivery of which nothing is known.
    pub(in crate::service) async fn delivered(
        &self,
        subject: SubjectId,
        version: Version,
        deliver: Deliver,
        deadline: Deadline,
    ) -> Option<DeliveryProgress> {
        if deliver == Deliver::Background && !self.has_endpoints() {
            return None;
        }
        let until = deadline.with_time_to_report(self.ports.clock.instant()).instant().into();
        // Entered before the store is read, so that it misses nothing in between.
        let mut waiter = if deliver == Deliver::Wait { self.deliveries.waiters.enter(subject) } else { None };
        let read = timeout_at(until, self.ports.store.deliveries_of(&[subject])).await;
        let mut seen = match read {
            Ok(Ok(found)) => found.first()?.1.as_ref().ok().map(SeenDelivery::from),
            Ok(Err(_)) | Err(_) => None,
        };
        // This process may not know yet that there is an endpoint.
        if !self.has_endpoints() {
            self.endpoint_is_set();
        }
        while let Some(waiter) = &mut waiter
            && !seen.is_some_and(|seen| seen.is_over_for(version))
        {
            let news = timeout_at(until, self.watches.stopping.run_until_cancelled(waiter.news())).await;
            match news {
                Ok(Some(Known::Seen(news))) => seen = Some(news),
                Ok(Some(Known::Unread)) => {}
                Ok(Some(Known::Gone)) => return None,
                Ok(None) | Err(_) => break,
            }
        }
        Some(seen.map_or_else(DeliveryProgress::default, |seen| seen.progress_of(version)))
    }

    /// Reads for the calls that wait what other processes have recorded.
    pub(super) async fn tell_waiters(&self) -> Result<(), ServiceError> {
        let waiters = &self.deliveries.waiters;
        let subjects = waiters.subjects();
        if subjects.is_empty() {
            return Ok(());
        }
        let found = self.ports.store.deliveries_of(&subjects).await?;
        let mut found: HashMap<_, _> = found.into_iter().collect();
        let mut unreadable = Ok(());
        for subject in subjects {
            match found.remove(&subject) {
                Some(Ok(state)) => waiters.tell(subject, Some(SeenDelivery::from(&state))),
                Some(Err(error)) => unreadable = Err(error.into()),
                None => waiters.tell(subject, None),
            }
        }
        unreadable
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::domain::delivery::DeliveryPhase;

    #[test]
    fn calls_are_told_of_their_own_account_and_forgotten_with_the_last() {
        let waiters = Waiters::default();
        let [one, other] = [1, 2].map(|number| SubjectId(Uuid::from_u128(number)));
        let mut calls = [one, one, other].map(|subject| waiters.enter(subject).unwrap());
        let seen = SeenDelivery { version: Version::FIRST, phase: DeliveryPhase::Done, reached: 1, nodes: 1 };
        waiters.tell(one, Some(seen));
        let told = calls.each_mut().map(|call| call.news().now_or_never());
        assert_eq!(told, [Some(Known::Seen(seen)), Some(Known::Seen(seen)), None]);
        waiters.tell(other, None);
        assert_eq!(calls[2].news().now_or_never(), Some(Known::Gone));
        let [first, second, third] = calls;
        drop(first);
        assert_eq!(waiters.subjects().len(), 2);
        drop((second, third));
        assert!(waiters.subjects().is_empty());
    }

    #[test]
    fn only_so_many_calls_wait() {
        let waiters = Waiters::default();
        let mut calls: Vec<_> =
            (0..MOST_WAITING as u128).map(|number| waiters.enter(SubjectId(Uuid::from_u128(number)))).collect();
        assert!(calls.iter().all(Option::is_some));
        let next = || waiters.enter(SubjectId(Uuid::nil()));
        assert!(next().is_none());
        calls.pop();
        assert!(next().is_some());
    }
}
