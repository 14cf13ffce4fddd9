//! The load generator: callers who ask again as soon as they are answered (closed loop), and callers who ask at a rate
//! whatever becomes of earlier calls (open loop).

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tonic::Code;

/// A call without an answer this long after its deadline gets none.
const GRACE: Duration = Duration::from_secs(10);

/// A client that makes one call at a time.
pub trait Caller: Send + 'static {
    /// The time that a call is given.
    fn deadline(&self) -> Duration;

    fn call(&mut self) -> impl Future<Output = Outcome> + Send;
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    Done,
    /// Refused with that reason.
    Refused(String),
    /// Refused without one, or the connection broke.
    Untyped(Code),
    /// Not answered at all.
    Lost,
}

/// What came of many calls. Latencies are in microseconds.
pub struct Tally {
    pub done: Histogram<u64>,
    pub refused: Histogram<u64>,
    pub reasons: BTreeMap<String, u64>,
    pub untyped: u64,
    pub lost: u64,
    /// Calls of an open loop for which no caller was free: the generator's own limit.
    pub unsent: u64,
    /// How late the calls of an open loop were sent, because the generator had to wait for a CPU itself.
    pub late: Histogram<u64>,
    pub window: Duration,
}

impl Tally {
    fn new(window: Duration) -> Self {
        let latencies = || Histogram::new(3).unwrap();
        let (done, refused, late) = (latencies(), latencies(), latencies());
        Self { done, refused, reasons: BTreeMap::new(), untyped: 0, lost: 0, unsent: 0, late, window }
    }

    /// Successes in a second.
    pub fn rate(&self) -> f64 {
        self.done.len() as f64 / self.window.as_secs_f64()
    }

    /// Calls in a second, whatever came of them.
    pub fn offered(&self) -> f64 {
        let calls = self.done.len() + self.refused.len() + self.untyped + self.lost + self.unsent;
        calls as f64 / self.window.as_secs_f64()
    }

    fn count(&mut self, outcome: Outcome, took: Duration) {
        let micros = micros(took);
        match outcome {
            Outcome::Done => self.done.record(micros).unwrap(),
            Outcome::Refused(reason) => {
                self.refused.record(micros).unwrap();
                *self.reasons.entry(reason).or_default() += 1;
            }
            Outcome::Untyped(code) => {
                self.untyped += 1;
                *self.reasons.entry(format!("untyped {code:?}")).or_default() += 1;
            }
            Outcome::Lost => self.lost += 1,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap().max(1)
}

/// A latency in milliseconds, at a quantile between 0 and 1.
pub fn ms(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1000.0
}

/// Closed loop: all callers at a time, each as fast as it is answered. Counted are the answers within the window, which
/// begins after the warm-up.
pub async fn closed<C: Caller>(callers: &mut Vec<C>, warm_up: Duration, window: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::new(window)));
    let begin = Instant::now() + warm_up;
    let end = begin + window;
    let tasks: Vec<_> = callers
        .drain(..)
        .map(|mut caller| {
            let tally = Arc::clone(&tally);
            tokio::spawn(async move {
                loop {
                    let sent = Instant::now();
                    if sent >= end {
                        return caller;
                    }
                    let outcome = ask(&mut caller).await;
                    let answered = Instant::now();
                    if answered >= begin && answered < end {
                        tally.lock().unwrap().count(outcome, answered - sent);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        callers.push(task.await.unwrap());
    }
    Arc::into_inner(tally).unwrap().into_inner().unwrap()
}

/// Open loop: calls come at random (Poisson) at that rate, each by the caller who has been free for the longest. A
/// latency counts from the time at which the call should have been sent. The callers bound what is in flight.
pub async fn open<C: Caller>(callers: &mut Vec<C>, rate: f64, window: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::new(window)));
    let count = callers.len();
    let free: Arc<Mutex<VecDeque<C>>> = Arc::new(Mutex::new(callers.drain(..).collect()));
    let mut gaps = Gaps::new(rate);
    let begin = Instant::now();
    let mut due = begin;
    let mut flying = tokio::task::JoinSet::new();
    while due < begin + window {
        tokio::time::sleep_until(due.into()).await;
        let now = Instant::now();
        while due <= now && due < begin + window {
            let caller = free.lock().unwrap().pop_front();
            if let Some(mut caller) = caller {
                let (tally, free) = (Arc::clone(&tally), Arc::clone(&free));
                flying.spawn(async move {
                    tally.lock().unwrap().late.record(micros(due.elapsed())).unwrap();
                    let outcome = ask(&mut caller).await;
                    tally.lock().unwrap().count(outcome, due.elapsed());
                    free.lock().unwrap().push_back(caller);
                });
            } else {
                tally.lock().unwrap().unsent += 1;
            }
            due += gaps.next();
        }
        while flying.try_join_next().is_some() {}
    }
    while flying.join_next().await.is_some() {}
    callers.extend(free.lock().unwrap().drain(..));
    assert_eq!(callers.len(), count, "a caller panicked");
    Arc::into_inner(tally).unwrap().into_inner().unwrap()
}

async fn ask<C: Caller>(caller: &mut C) -> Outcome {
    let limit = caller.deadline() + GRACE;
    tokio::time::timeout(limit, caller.call()).await.unwrap_or(Outcome::Lost)
}

/// The times between arrivals that know nothing of each other: exponentially distributed. The same in each run.
struct Gaps {
    mean: f64,
    state: u64,
}

impl Gaps {
    fn new(rate: f64) -> Self {
        Self { mean: 1.0 / rate, state: 0x9E37_79B9_7F4A_7C15 }
    }

    fn next(&mut self) -> Duration {
        // xorshift64* (Vigna 2016), whose upper bits are good enough for this.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let random = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        let uniform = (random as f64 + 0.5) / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-uniform.ln() * self.mean)
    }
}
