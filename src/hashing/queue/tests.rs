//! Laws of the queue with pairs.

use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use argon2::{Algorithm, Version};
use proptest::prelude::*;

use super::*;
use crate::ambient::SystemClock;
use crate::domain::time::Timestamp;
use crate::hashing::admission::Admission;
use crate::hashing::cost::Parameters;
use crate::hashing::phc::Recipe;
use crate::ports::HashDemand;

/// Memory of each hash of a pair.
const PAIR_KIB: u32 = 100;

struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn instant(&self) -> Instant {
        self.0
    }
}

/// A job, by its properties.
#[derive(Debug, Clone, Copy)]
struct Given {
    tenant: u8,
    memory_kib: u32,
    is_waited_for: bool,
    may_begin: bool,
    may_pair: bool,
    count: u32,
}

fn given() -> impl Strategy<Value = Given> {
    let memory_kib = prop::sample::select(&[50_u32, PAIR_KIB, PAIR_KIB + 1][..]);
    let often = prop::bool::weighted(0.8);
    let count = often.prop_map(|is_short| if is_short { 1 } else { 3 });
    (0_u8..3, memory_kib, often, often, often, count).prop_map(
        |(tenant, memory_kib, is_waited_for, may_begin, may_pair, count)| Given {
            tenant,
            memory_kib,
            is_waited_for,
            may_begin,
            may_pair,
            count,
        },
    )
}

/// A queue with these jobs. The salt of each is its number.
fn queue(given: &[Given], now: Instant) -> (Queue, Vec<oneshot::Receiver<Result<Tag, HasherError>>>) {
    let admission = Arc::new(Admission::new(NonZeroU32::MIN, true, Duration::MAX));
    let queue = Queue::default();
    let mut answers = Vec::new();
    for (number, given) in given.iter().enumerate() {
        let tenant = TenantName::parse(&format!("tenant-{}", given.tenant)).unwrap();
        let slot = admission
            .admit(&tenant, HashDemand::in_sequence(given.count), Duration::MAX)
            .unwrap()
            .take(given.count)
            .unwrap();
        let (reply, answer) = oneshot::channel();
        let past = now.checked_sub(Duration::from_secs(1)).unwrap();
        let fate = Fate::new(if given.may_begin { now } else { past }, if given.may_pair { now } else { past });
        let parameters = Parameters { memory_kib: given.memory_kib, iterations: 1, parallelism: 1 };
        let salt = number.to_le_bytes().to_vec();
        let recipe =
            Recipe { algorithm: Algorithm::Argon2id, version: Version::V0x13, parameters, salt, tag_bytes: 32 };
        let (bytes, method) = (Zeroizing::new(b"password".to_vec()), Method::Argon2(recipe));
        let _ = queue.push(Job { tenant, fate: Arc::new(fate), queued: now, bytes, method, slot, reply });
        if given.is_waited_for {
            answers.push(answer);
        }
    }
    (queue, answers)
}

fn number(job: &Job) -> usize {
    let Method::Argon2(recipe) = &job.method else { panic!("no other is made") };
    usize::from_le_bytes(recipe.salt[..].try_into().unwrap())
}

/// What a worker takes at a time, until nothing waits.
fn taken(queue: &Queue, now: Instant, pair_kib: Option<u32>) -> Vec<Vec<usize>> {
    let mut taken = Vec::new();
    loop {
        let mut lines = queue.lines.lock();
        let Some(first) = queue.begin_next(&mut lines, now) else { return taken };
        let second = pair_kib.and_then(|most_kib| queue.begin_second(&mut lines, &first, most_kib, now));
        taken.push([Some(first), second].iter().flatten().map(number).collect());
    }
}

proptest! {
    #[test]
    fn pairs_change_no_order_and_lose_nothing(given in prop::collection::vec(given(), 0..24)) {
        let now = SystemClock.instant();
        let (one_by_one, _answers) = queue(&given, now);
        let expected = taken(&one_by_one, now, None).concat();
        let (in_pairs, _answers) = queue(&given, now);
        let batches = taken(&in_pairs, now, Some(PAIR_KIB));
        prop_assert_eq!(batches.concat(), &expected[..]);
        let mut all = expected;
        all.sort_unstable();
        let alive: Vec<_> =
            (0..given.len()).filter(|number| given[*number].is_waited_for && given[*number].may_begin).collect();
        prop_assert_eq!(all, alive);
        let Counts { begun, abandoned, pairs } = in_pairs.counts();
        prop_assert_eq!(begun + abandoned, given.len() as u64);
        prop_assert_eq!(pairs, batches.iter().filter(|batch| batch.len() == 2).count() as u64);
        for (batch, next) in batches.iter().zip(batches.iter().skip(1)) {
            let go_together = |one: Given, other: Given| {
                let are_short = one.count == 1 && other.count == 1;
                let fit = one.memory_kib == other.memory_kib && one.memory_kib <= PAIR_KIB;
                one.may_pair && other.may_pair && are_short && fit
            };
            if let [one, other] = batch[..] {
                prop_assert!(go_together(given[one], given[other]));
            } else {
                prop_assert!(!go_together(given[batch[0]], given[next[0]]), "{:?}", batches);
            }
        }
    }

    #[test]
    fn what_idle_workers_can_take_is_left_to_them(idle in 0_usize..4, waiting in 1_usize..8) {
        let now = SystemClock.instant();
        let given = Given { tenant: 0, memory_kib: 50, is_waited_for: true, may_begin: true, may_pair: true, count: 1 };
        let (queue, _answers) = queue(&vec![given; waiting], now);
        queue.lines.lock().idle = idle;
        let turn = queue.next(&Still(now), Some(PAIR_KIB)).unwrap();
        prop_assert_eq!(turn.second.is_some(), waiting - 1 > idle);
        prop_assert_eq!(turn.is_under_load, waiting - 1 > idle);
    }
}

/// Two idle workers, and one wake for two jobs: the first worker wakes the other one.
#[test]
fn one_wake_is_enough_for_all_that_waits() {
    let now = SystemClock.instant();
    let given = Given { tenant: 0, memory_kib: 50, is_waited_for: true, may_begin: true, may_pair: true, count: 1 };
    let (jobs, _answers) = queue(&[given; 2], now);
    let mut jobs: Vec<_> = std::iter::from_fn(|| jobs.lines.lock().pop()).collect();
    let queue = Queue::default();
    let mut turns = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| queue.next(&Still(now), None).unwrap())).collect();
        while queue.load().idle < 2 {
            thread::yield_now();
        }
        let has_to_wake: Vec<_> = jobs.drain(..).map(|job| queue.push(job)).collect();
        assert_eq!(has_to_wake, [true, false]);
        queue.wake();
        workers.into_iter().map(|worker| number(&worker.join().unwrap().job)).collect::<Vec<_>>()
    });
    turns.sort_unstable();
    assert_eq!(turns, [0, 1]);
}
