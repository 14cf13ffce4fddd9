//! One hash by the `argon2` crate's default call, which takes fresh memory each time, by the portable kernel, by the
//! `argon2-rust` crate and by the kernel that is chosen here, alone and two together: `cargo bench --bench kernels`.
//!
//! Criterion measures one after the other. The table at the end measures them in turn, so that whatever else the machine
//! does slows all alike: its ratios are what counts.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark reads clocks, prints, and stops where it can't go on"
)]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use credentiald::ambient::SystemEntropy;
use credentiald::hashing::{BareKernel, Cost, KernelChoice, KernelSetting};
use criterion::{BenchmarkId, Criterion, Throughput};

const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: [u8; 16] = *b"0123456789abcdef";

/// How often each contender has its turn, and how many hashes each thread then computes.
const ROUNDS: usize = 15;
const HASHES_A_ROUND: u32 = 6;

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let costs = [Cost::DEFAULT, Cost::new(19_456, 2, 1).unwrap()];
    for cost in costs {
        measured_by_criterion(&mut criterion, cost);
    }
    criterion.final_summary();
    let is_whole_run = !std::env::args().any(|argument| argument == "--test" || argument == "--list");
    if is_whole_run {
        println!("\nOne after the other, {ROUNDS} rounds of {HASHES_A_ROUND} hashes a thread; medians.\n");
        println!("| Cost | Threads | Contender | ms a hash | hashes/s | time, default call = 1 |");
        println!("|---|---|---|---|---|---|");
        for cost in costs {
            measured_in_turn(cost, 1);
            measured_in_turn(cost, 2);
        }
    }
}

fn name(cost: Cost) -> String {
    format!("m={} t={}", cost.memory_kib(), cost.iterations())
}

fn measured_by_criterion(criterion: &mut Criterion, cost: Cost) {
    let mut group = criterion.benchmark_group(name(cost));
    for threads in [1, 2] {
        group.throughput(Throughput::Elements(threads));
        for contender in Contender::all(cost) {
            let id = BenchmarkId::new(&contender.name, format!("{threads} threads"));
            let mut contestants: Vec<_> = (0..threads).map(|_| contender.contestant()).collect();
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|hashes| time(&mut contestants, contender.calls(hashes.try_into().unwrap())));
            });
        }
    }
    group.finish();
}

fn measured_in_turn(cost: Cost, threads: usize) {
    let contenders = Contender::all(cost);
    let mut contestants: Vec<Vec<_>> =
        contenders.iter().map(|contender| (0..threads).map(|_| contender.contestant()).collect()).collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for ((contender, contestants), times) in contenders.iter().zip(&mut contestants).zip(&mut times) {
            times.push(time(contestants, contender.calls(HASHES_A_ROUND)) / HASHES_A_ROUND);
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times).as_secs_f64()).collect();
    for (contender, median) in contenders.iter().zip(&medians) {
        let (cost, name, ms) = (self::name(cost), &contender.name, median * 1000.0);
        let per_second = f64::from(u32::try_from(threads).unwrap()) / median;
        println!("| {cost} | {threads} | {name} | {ms:.2} | {per_second:.0} | {:.2} |", median / medians[0]);
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// How long it takes until each, on a thread of its own, has been called so many times.
fn time(contestants: &mut [Contestant], calls: u32) -> Duration {
    let start = Barrier::new(contestants.len() + 1);
    let start = &start;
    thread::scope(|scope| {
        for contestant in contestants {
            scope.spawn(move || {
                start.wait();
                (0..calls).for_each(|_| contestant());
            });
        }
        let began = Instant::now();
        start.wait();
        began
    })
    .elapsed()
}

type Contestant = Box<dyn FnMut() + Send>;

struct Contender {
    name: String,
    cost: Cost,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    DefaultCall,
    Kernel(KernelChoice),
    Pair(KernelChoice),
    Argon2Rust,
}

impl Contender {
    fn all(cost: Cost) -> Vec<Self> {
        let portable = KernelChoice::new(KernelSetting::Portable, cost, &SystemEntropy);
        let best = KernelChoice::new(KernelSetting::Auto, cost, &SystemEntropy);
        let kernel = |choice: KernelChoice| {
            let name = format!("{} kernel, {}", choice.name(), choice.instructions());
            Self { name, cost, kind: Kind::Kernel(choice) }
        };
        let default_call = Self { name: "default call".to_owned(), cost, kind: Kind::DefaultCall };
        let name = format!("argon2-rust, {}", argon2_rust::detected_backend().name());
        let pair = best.interleaves().then(|| {
            let name = format!("{}, in a pair", kernel(best).name);
            Self { name, cost, kind: Kind::Pair(best) }
        });
        let mut all = vec![default_call, kernel(portable), Self { name, cost, kind: Kind::Argon2Rust }, kernel(best)];
        all.extend(pair);
        all
    }

    /// How often to call a contestant for so many hashes.
    fn calls(&self, hashes: u32) -> u32 {
        if matches!(self.kind, Kind::Pair(_)) { hashes.div_ceil(2) } else { hashes }
    }

    fn contestant(&self) -> Contestant {
        let cost = self.cost;
        match self.kind {
            Kind::DefaultCall => {
                let (memory_kib, iterations, parallelism) = (cost.memory_kib(), cost.iterations(), cost.parallelism());
                let parameters = Params::new(memory_kib, iterations, parallelism, Some(32)).unwrap();
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
                Box::new(move || {
                    let mut tag = [0; 32];
                    argon2.hash_password_into(PASSWORD, &SALT, &mut tag).unwrap();
                    black_box(tag);
                })
            }
            Kind::Kernel(choice) => {
                let mut kernel = BareKernel::new(choice, cost.memory_kib()).unwrap();
                Box::new(move || {
                    black_box(kernel.hash(cost, PASSWORD, SALT).unwrap());
                })
            }
            Kind::Pair(choice) => {
                let mut kernel = BareKernel::new(choice, 2 * cost.memory_kib()).unwrap();
                Box::new(move || {
                    black_box(kernel.hash_pair(cost, [PASSWORD; 2], SALT).unwrap());
                })
            }
            Kind::Argon2Rust => {
                let parameters = argon2_rust::Params::builder()
                    .memory(argon2_rust::params::Memory::kib(cost.memory_kib().into()))
                    .passes(cost.iterations())
                    .lanes(cost.parallelism())
                    .threads(1)
                    .tag_len(argon2_rust::params::TagLen::bytes(32))
                    .build()
                    .unwrap();
                let (algorithm, version) = (argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13);
                let mut hasher = argon2_rust::Argon2::new(algorithm, version, parameters).hasher();
                Box::new(move || {
                    let mut tag = [0; 32];
                    hasher.hash_into(PASSWORD, &SALT, &mut tag).unwrap();
                    black_box(tag);
                })
            }
        }
    }
}
