//! The keys of an issuer at a URL: fetched before they are needed, and again when a token names another one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::algorithm::Algorithm;
use super::issuer::JwksUrl;
use super::key_set::{Key, KeySet};
use crate::domain::time::{Timestamp, Window, minutes};
use crate::outgoing::{Answer, Outgoing, OutgoingLimits};
use crate::ports::meter::FetchOutcome;
use crate::ports::spans::BackgroundTask;
use crate::ports::{BackgroundTraces, Clock, Counter, JwtRefusal, Meter};

/// The limits of a fetch, all of it, and of the largest set of keys.
pub(super) const FETCH: OutgoingLimits = OutgoingLimits { within: Duration::from_secs(5), max_bytes: 256 * 1024 };
/// How old keys are when they are fetched again.
const REFRESH_AFTER: Duration = minutes(5);
/// The least time between two fetches, for any key ids that callers send.
const FETCH_EVERY: Duration = Duration::from_secs(30);
/// How often it is checked whether a fetch is due.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The types of a set of keys.
const ACCEPTED: &str = "application/jwk-set+json, application/json";

/// What the keys of a URL depend on: equal ones share their keys.
#[derive(PartialEq, Eq)]
pub(super) struct Source {
    pub(super) jwks: JwksUrl,
    pub(super) cas: Option<String>,
    pub(super) algorithms: Vec<&'static Algorithm>,
}

/// Fetched keys. One task fetches them, so there is never more than one fetch at a time.
pub(super) struct FetchedKeys {
    source: Source,
    fetcher: Outgoing,
    state: watch::Sender<State>,
    wanted: Notify,
}

#[derive(Default)]
struct State {
    /// The keys of the last fetch that succeeded.
    fetched: Option<Fetched>,
    /// When the last fetch began.
    begun_at: Option<Timestamp>,
    is_under_way: bool,
    /// Whether the last fetch failed.
    is_failing: bool,
    /// How many fetches have ended.
    ended: u64,
}

struct Fetched {
    keys: Arc<KeySet>,
    /// When the fetch began.
    at: Timestamp,
    /// How long they are used.
    used: Window,
    /// What they were read from.
    answer: Arc<Answer>,
}

impl State {
    fn key(&self, id: &str, at: Timestamp) -> Result<Arc<Key>, JwtRefusal> {
        let fetched = self.fetched.as_ref().filter(|fetched| fetched.used.is_open(at)).ok_or(JwtRefusal::NoKeys)?;
        fetched.keys.key(id)
    }

    /// Whether so much time has passed since the last fetch began. If the clock is behind that, it has.
    fn has_rested(&self, at: Timestamp, interval: Duration) -> bool {
        let age = self.begun_at.map(|begun_at| at.since(begun_at));
        age.is_none_or(|age| age.is_none_or(|age| age >= interval))
    }
}

/// Ends a fetch in the state. One whose task is cancelled does not put off the next one.
struct UnderWay<'a> {
    state: &'a watch::Sender<State>,
    is_complete: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            (state.is_under_way, state.ended) = (false, state.ended + 1);
            state.begun_at = state.begun_at.filter(|_| self.is_complete);
        });
    }
}

impl FetchedKeys {
    /// Keys that are fetched as soon as possible. Until then, those that its predecessor fetched are used, read for the
    /// algorithms of this source, if the fetcher trusts the server that they are from.
    pub(super) fn new(source: Source, fetcher: Outgoing, predecessor: Option<&Self>) -> Self {
        let inherited = predecessor.and_then(|predecessor| predecessor.inherited_by(&source, &fetcher));
        let state = watch::Sender::new(State { fetched: inherited, ..State::default() });
        Self { source, fetcher, state, wanted: Notify::new() }
    }

    fn inherited_by(&self, source: &Source, fetcher: &Outgoing) -> Option<Fetched> {
        let state = self.state.borrow();
        let Fetched { at, used, answer, .. } = state.fetched.as_ref()?;
        if !fetcher.trusts(&answer.server, *at) {
            let url = &source.jwks.url;
            tracing::warn!(
                url,
                "the keys of an issuer are not used: their server is no longer trusted; they are fetched again"
            );
            return None;
        }
        let (keys, _) = KeySet::parse(&answer.body, &source.algorithms)?;
        let used = used.at_most(source.jwks.used_for);
        Some(Fetched { keys: Arc::new(keys), at: *at, used, answer: Arc::clone(answer) })
    }

    pub(super) fn is_of(&self, source: &Source) -> bool {
        self.source == *source
    }

    pub(super) fn is_from(&self, url: &str) -> bool {
        self.source.jwks.url == url
    }

    /// The key of that id. If it is unknown, waits for a fetch that is under way, or asks for one.
    pub(super) async fn key(&self, id: &str, at: Timestamp) -> Result<Arc<Key>, JwtRefusal> {
        let mut states = self.state.subscribe();
        let (found, ended, has_rested) = {
            let state = states.borrow_and_update();
            (state.key(id, at), state.ended, state.is_under_way || state.has_rested(at, FETCH_EVERY))
        };
        if found.is_ok() || !has_rested {
            return found;
        }
        self.wanted.notify_one();
        // One that takes longer has failed.
        let _ = timeout(FETCH.within, states.wait_for(|state| state.ended > ended)).await;
        self.state.borrow().key(id, at)
    }

    /// The key of that id, if the keys are still used at that time, which may be before they were fetched.
    pub(super) fn used_key(&self, id: &str, at: Timestamp) -> Option<Arc<Key>> {
        let state = self.state.borrow();
        let fetched = state.fetched.as_ref().filter(|fetched| at < fetched.used.end())?;
        fetched.keys.key(id).ok()
    }

    /// When the keys are too old to be used; `None` if there are none.
    pub(super) fn used_until(&self) -> Option<Timestamp> {
        self.state.borrow().fetched.as_ref().map(|fetched| fetched.used.end())
    }

    /// Fetches the keys whenever it is due, and earlier if a caller waits for one, but never more often than allowed.
    pub(super) async fn follow(&self, clock: &dyn Clock, meter: &dyn Meter, traces: &BackgroundTraces) {
        let mut is_wanted = false;
        loop {
            let now = clock.now();
            let is_due = {
                let state = self.state.borrow();
                state.has_rested(now, FETCH_EVERY)
                    && (is_wanted || state.is_failing || state.has_rested(now, REFRESH_AFTER))
            };
            if is_due {
                self.fetch(now, meter, traces).await;
            }
            is_wanted = tokio::select! {
                () = self.wanted.notified() => true,
                () = sleep(CHECK_EVERY) => false,
            };
        }
    }

    async fn fetch(&self, now: Timestamp, meter: &dyn Meter, traces: &BackgroundTraces) {
        self.state.send_modify(|state| (state.begun_at, state.is_under_way) = (Some(now), true));
        let mut under_way = UnderWay { state: &self.state, is_complete: false };
        let url = &self.source.jwks.url;
        match traces.around(BackgroundTask::KeysOfIssuer, self.keys()).await {
            Ok((keys, answer)) => {
                meter.count(Counter::JwksFetches(FetchOutcome::Fetched));
                if keys.is_empty() {
                    tracing::warn!(url, "the issuer has no key that can be used: its tokens are refused");
                }
                let used = Window::from(now, self.source.jwks.used_for);
                self.state.send_modify(|state| {
                    state.fetched = Some(Fetched { keys: Arc::new(keys), at: now, used, answer: Arc::new(answer) });
                    state.is_failing = false;
                });
            }
            Err(error) => {
                meter.count(Counter::JwksFetches(FetchOutcome::Failed));
                let error = &*error as &dyn Error;
                tracing::warn!(url, error, "the keys of an issuer of JWTs can't be fetched; it will be retried");
                self.state.send_modify(|state| state.is_failing = true);
            }
        }
        under_way.is_complete = true;
    }

    async fn keys(&self) -> Result<(KeySet, Answer), Box<dyn Error + Send + Sync>> {
        let answer = self.fetcher.get(ACCEPTED, self.source.jwks.token_file.as_deref()).await?;
        let read = KeySet::parse(&answer.body, &self.source.algorithms);
        let (keys, skipped) = read.ok_or("the answer is not a set of keys")?;
        for skipped in skipped {
            tracing::info!(url = self.source.jwks.url, "{skipped}: it is not used");
        }
        Ok((keys, answer))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::outgoing::Address;
    use crate::ports::NoMeter;

    #[tokio::test]
    async fn a_fetch_that_is_cancelled_does_not_put_off_the_next_one() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let address = Address::parse(&url).unwrap();
        let fetcher = Outgoing::new(address, None, |_| Err("there is no token".into()), FETCH).unwrap();
        let jwks = JwksUrl { url, ca_file: None, token_file: None, used_for: minutes(5) };
        let keys = FetchedKeys::new(Source { jwks, cas: None, algorithms: Vec::new() }, fetcher, None);
        let (now, traces) = (Timestamp::from_micros(0), BackgroundTraces::default());
        assert!(keys.fetch(now, &NoMeter, &traces).now_or_never().is_none());
        assert!(keys.state.borrow().has_rested(now, FETCH_EVERY));
        // One that has failed does.
        drop(silent);
        keys.fetch(now, &NoMeter, &traces).await;
        assert!(!keys.state.borrow().has_rested(now, FETCH_EVERY));
    }
}
