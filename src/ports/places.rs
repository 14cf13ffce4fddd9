//! Places for what is done at a time, so many for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for keys, as many for each. Those who wait for one get it in the order in which they came.
#[derive(Debug)]
pub struct Places<Key: Eq + Hash> {
    each: usize,
    taken: Mutex<HashMap<Key, Arc<Semaphore>>>,
}

/// A place. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place<Key: Eq + Hash> {
    places: Arc<Places<Key>>,
    key: Key,
    permit: Option<OwnedSemaphorePermit>,
}

impl<Key: Eq + Hash> Places<Key> {
    /// That many places for each key.
    pub fn new(each: usize) -> Arc<Self> {
        Arc::new(Self { each, taken: Mutex::default() })
    }
}

impl<Key: Eq + Hash + Clone> Places<Key> {
    fn of(&self, key: Key) -> Arc<Semaphore> {
        let mut taken = self.taken.lock();
        Arc::clone(taken.entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }

    /// Waits for a place of the key.
    pub async fn take(self: &Arc<Self>, key: Key) -> Place<Key> {
        let of_key = self.of(key.clone());
        // Made before the wait, so that a key whose place is not taken is removed as well.
        let mut place = Place { places: Arc::clone(self), key, permit: None };
        // It is never closed.
        place.permit = of_key.acquire_owned().await.ok();
        place
    }
}

impl<Key: Eq + Hash> Drop for Place<Key> {
    fn drop(&mut self) {
        self.permit = None;
        let mut taken = self.places.taken.lock();
        // Those who have or want another place of the key hold it as well.
        if taken.get(&self.key).is_some_and(|of_key| Arc::strong_count(of_key) == 1) {
            taken.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn each_key_has_its_own_places_and_is_forgotten_with_the_last() {
        let places = Places::new(2);
        let now = |key| places.take(key).now_or_never();
        let (first, second) = (now("a").unwrap(), now("a").unwrap());
        assert!(now("a").is_none());
        let other = now("b").unwrap();
        drop(first);
        let third = now("a").unwrap();
        assert!(now("a").is_none());
        drop((second, third, other));
        assert!(places.taken.lock().is_empty());
    }
}
