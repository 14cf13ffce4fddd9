//! The machine that the figures are of, and what else it did meanwhile.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use credentiald::hashing::usable_cpus;

use crate::process::{printed, ticks_of};
use crate::server::BINARY;
use crate::slapd::Slapd;

/// What is noted of the machine and the versions, as name and value.
pub fn facts() -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let settings = printed(BINARY, &["config", "show"]).unwrap_or_default();
    let kernel = settings.lines().find_map(|line| line.strip_prefix("# the hash kernel here: "));
    vec![
        ("Date", printed("date", &["--utc", "+%Y-%m-%d"]).unwrap_or_else(unknown)),
        ("CPU", format!("{}, {} usable cores", cpu_model().unwrap_or_else(unknown), usable_cpus())),
        ("Hash kernel", kernel.unwrap_or("unknown").to_owned()),
        ("Memory", format!("{:.0} GiB", total_memory_gib().unwrap_or_default())),
        ("Huge pages", huge_pages().unwrap_or_else(unknown)),
        ("System", printed("uname", &["--kernel-name", "--kernel-release", "--machine"]).unwrap_or_else(unknown)),
        ("Compiler", printed("rustc", &["--version"]).unwrap_or_else(unknown)),
        ("credentiald", printed(BINARY, &["--version"]).unwrap_or_else(unknown)),
        ("argon2 crate", locked_version("argon2").unwrap_or_else(unknown)),
        ("argon2-rust crate", locked_version("argon2-rust").unwrap_or_else(unknown)),
        ("OpenLDAP", Slapd::version().unwrap_or_else(|| "not there".to_owned())),
    ]
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn total_memory_gib() -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(kib.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / f64::from(1 << 20))
}

/// The setting in force is the one in brackets.
fn huge_pages() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn locked_version(name: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split("[[package]]").find(|package| package.contains(&format!("\nname = \"{name}\"\n")))?;
    let line = package.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(line.trim_matches('"').to_owned())
}

/// Watches, second by second, how much of the CPUs goes to programs that are no part of the benchmark.
pub struct NoiseMeter {
    seconds: Arc<Mutex<Vec<Noise>>>,
    ours: Arc<Mutex<Vec<u32>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Percent of all CPUs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noise {
    /// Taken by foreign processes.
    pub foreign: f64,
    /// Taken by other machines on the same host.
    pub stolen: f64,
}

impl NoiseMeter {
    pub fn start() -> Self {
        let (seconds, stop) = (Arc::<Mutex<Vec<Noise>>>::default(), Arc::<AtomicBool>::default());
        let ours = Arc::new(Mutex::new(vec![std::process::id()]));
        let thread = {
            let (seconds, ours, stop) = (Arc::clone(&seconds), Arc::clone(&ours), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let ours = ours.lock().unwrap().clone();
                    let before = Used::now(&ours);
                    thread::sleep(Duration::from_secs(1));
                    seconds.lock().unwrap().extend(Used::now(&ours).since(&before));
                }
            })
        };
        Self { seconds, ours, stop, thread: Some(thread) }
    }

    /// Counts another process among those of the benchmark.
    pub fn add(&self, process: u32) {
        self.ours.lock().unwrap().push(process);
    }

    /// The mean and the worst second since this was last asked.
    pub fn take(&self) -> (Noise, Noise) {
        let seconds = std::mem::take(&mut *self.seconds.lock().unwrap());
        let mean = |of: fn(&Noise) -> f64| seconds.iter().map(of).sum::<f64>() / seconds.len().max(1) as f64;
        let worst = |of: fn(&Noise) -> f64| seconds.iter().map(of).fold(0.0, f64::max);
        let both =
            |of: &dyn Fn(fn(&Noise) -> f64) -> f64| Noise { foreign: of(|n| n.foreign), stolen: of(|n| n.stolen) };
        (both(&mean), both(&worst))
    }
}

impl Drop for NoiseMeter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// CPU time so far, in the system's ticks.
struct Used {
    by_all: u64,
    by_ours: u64,
    stolen: u64,
    in_all: u64,
}

impl Used {
    fn now(ours: &[u32]) -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let tick = |index: usize| ticks.get(index).copied().unwrap_or_default();
        // Interrupts (5 and 6) are nobody's: most of them here are the loopback's.
        Self {
            by_all: tick(0) + tick(1) + tick(2),
            by_ours: ours.iter().map(|process| ticks_of(*process).unwrap_or_default()).sum(),
            stolen: tick(7),
            in_all: ticks.iter().take(8).sum(),
        }
    }

    /// Nothing where a process of ours ended meanwhile.
    fn since(&self, before: &Self) -> Option<Noise> {
        let in_all = self.in_all.checked_sub(before.in_all).filter(|ticks| *ticks > 0)?;
        let by_ours = self.by_ours.checked_sub(before.by_ours)?;
        let foreign = (self.by_all - before.by_all).saturating_sub(by_ours);
        let percent = |ticks: u64| ticks as f64 * 100.0 / in_all as f64;
        Some(Noise { foreign: percent(foreign), stolen: percent(self.stolen.saturating_sub(before.stolen)) })
    }
}
