//! One hash without a service around it: by the `argon2` crate's default call, which takes fresh memory each time, and
//! by our kernel, bare.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use credentiald::ambient::SystemEntropy;
use credentiald::hashing::{BareKernel, Cost, KernelChoice, KernelSetting, usable_cpus};

const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: [u8; 16] = *b"0123456789abcdef";

/// Computes one hash.
pub type Hash = Box<dyn FnMut() + Send>;

/// The `argon2` crate's default call.
pub fn default_call(cost: Cost) -> Hash {
    let parameters = Params::new(cost.memory_kib(), cost.iterations(), cost.parallelism(), Some(32)).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    Box::new(move || {
        let mut tag = [0; 32];
        argon2.hash_password_into(PASSWORD, &SALT, &mut tag).unwrap();
        black_box(tag);
    })
}

/// Our kernel, with memory of its own.
pub fn bare_kernel(cost: Cost) -> Hash {
    let choice = KernelChoice::new(KernelSetting::Auto, cost, &SystemEntropy);
    let mut kernel = BareKernel::new(choice, cost.memory_kib()).unwrap();
    Box::new(move || {
        black_box(kernel.hash(cost, PASSWORD, SALT).unwrap());
    })
}

/// One for each CPU that can be used.
pub fn on_all_cpus(make: fn(Cost) -> Hash, cost: Cost) -> Vec<Hash> {
    (0..usable_cpus().get()).map(|_| make(cost)).collect()
}

/// How many hashes a second they compute, each on a thread of its own. The first of each is not counted.
pub fn per_second(hashes: &mut [Hash], window: Duration) -> f64 {
    let start = &Barrier::new(hashes.len());
    thread::scope(|scope| {
        let threads: Vec<_> = hashes
            .iter_mut()
            .map(|hash| {
                scope.spawn(move || {
                    hash();
                    start.wait();
                    let (began, mut count) = (Instant::now(), 0);
                    while began.elapsed() < window {
                        hash();
                        count += 1;
                    }
                    f64::from(count) / began.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// How long it takes until two hashes, begun at once on a thread each, are both there: the times of so many.
pub fn two_at_once(cost: Cost, count: usize) -> Vec<Duration> {
    let start = &Barrier::new(2);
    // Each thread looks at the clock itself: while both compute, another one that should do it may have to wait for a CPU.
    let hashes = move || {
        let mut hash = bare_kernel(cost);
        hash();
        let times = (0..count).map(|_| {
            start.wait();
            let began = Instant::now();
            hash();
            (began, Instant::now())
        });
        times.collect::<Vec<_>>()
    };
    let [one, other] =
        thread::scope(|scope| [scope.spawn(hashes), scope.spawn(hashes)].map(|thread| thread.join().unwrap()));
    let both = one.into_iter().zip(other);
    both.map(|((began, ended), (other_began, other_ended))| ended.max(other_ended) - began.min(other_began)).collect()
}
