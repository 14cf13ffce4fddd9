//! What the memory of the hash engine holds and how large it is, read from outside: in `/proc`, by the process itself.
//!
//! Other tests would be in the way, so that each of these runs in a process of its own.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::domain::credential::PasswordHash;
use credentiald::domain::names::TenantName;
use credentiald::domain::password::Password;
use credentiald::hashing::{Ceiling, Cost, EngineSettings, HashEngine, KernelSetting};
use credentiald::ports::{AdmittedHashes, Clock, Deadline, HashDemand, Hasher, HasherError, HasherFigures};
use futures_util::future::join_all;

const WORKERS: usize = 2;
const CEILING_KIB: u32 = 65_536;

/// Set in a process that runs one test only.
const ALONE: &str = "CREDENTIALD_TEST_ALONE";

#[tokio::test]
async fn the_memory_of_the_chosen_kernel_stays_what_it_was_and_is_wiped() {
    if alone("the_memory_of_the_chosen_kernel_stays_what_it_was_and_is_wiped") {
        memory_stays_what_it_was_and_is_wiped(KernelSetting::Auto).await;
    }
}

#[tokio::test]
async fn the_memory_of_the_portable_kernel_stays_what_it_was_and_is_wiped() {
    if alone("the_memory_of_the_portable_kernel_stays_what_it_was_and_is_wiped") {
        memory_stays_what_it_was_and_is_wiped(KernelSetting::Portable).await;
    }
}

/// Whether this is a process of the test's own. Where not, the test has run in one, and succeeded, on return.
fn alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("arenas::{test}"), "--nocapture"]).env(ALONE, "yes");
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && printed[0].contains("1 passed"), "{}", printed.concat());
    false
}

async fn memory_stays_what_it_was_and_is_wiped(kernel: KernelSetting) {
    let ceiling = Ceiling::new(Cost::DEFAULT, NonZeroU32::new(CEILING_KIB)).unwrap();
    let workers = NonZeroUsize::new(WORKERS);
    let settings = EngineSettings { ceiling, kernel, workers, ..EngineSettings::of(Cost::DEFAULT) };
    let engine = HashEngine::start(settings, Arc::new(SystemClock), &SystemEntropy).unwrap();
    // Each worker has hashed by now, and so has all its memory.
    let before = resident_bytes("RssAnon:");
    let in_total = engine.figures().arena_bytes;
    let bound = in_total + (48 << 20);
    assert!(before > in_total && before < bound, "{before}");
    assert!(are_wiped(&arenas(in_total)), "at the start");

    let hashes = admit(&engine, 1000);
    for round in 0..12 {
        let password = Arc::new(Password::parse(format!("a secret that leaves no trace {round}")).unwrap());
        let stored = stored_hashes();
        // More than there are workers, so that some are computed in pairs.
        let made = (0..6).map(|_| hashes.hash(Arc::clone(&password), [7; 16]));
        let (made, verified) = tokio::join!(join_all(made), hashes.verify(Arc::clone(&password), &stored[round % 4]));
        assert!(made.iter().all(Result::is_ok));
        match round % 4 {
            3 => assert!(matches!(verified, Err(HasherError::Unreadable(_))), "above the ceiling"),
            _ => assert_eq!(verified, Ok(None)),
        }
    }

    assert!(are_wiped(&arenas(in_total)), "after hashes");
    let after = resident_bytes("RssAnon:");
    // The least that a hash of those above takes is 8 MiB; buffers are a few. Code, which is loaded when it first runs, is
    // in a file and not counted.
    assert!(after < before + (8 << 20), "resident memory went from {before} to {after}");
    let most = resident_bytes("VmHWM:");
    assert!(most < bound, "it was {most} in between");
}

/// With less memory than a worker has, with several lanes, with all of it, and with more.
fn stored_hashes() -> [PasswordHash; 4] {
    ["m=8192,t=1,p=1", "m=20000,t=1,p=4", "m=65536,t=1,p=8", "m=65537,t=1,p=1"].map(|parameters| {
        let hash =
            format!("$argon2id$v=19${parameters}$MDEyMzQ1Njc4OWFiY2RlZg$xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM");
        PasswordHash::new(hash)
    })
}

fn admit(engine: &HashEngine, count: u32) -> Arc<dyn AdmittedHashes> {
    let deadline = Deadline::at(SystemClock.instant() + Duration::from_hours(1));
    engine.admit(&TenantName::parse("acme").unwrap(), HashDemand { total: count, in_sequence: 1 }, deadline).unwrap()
}

/// Where the arenas are: anonymous memory in pieces that nothing else of the process has.
fn arenas(in_total: u64) -> Vec<(u64, u64)> {
    let each = in_total / WORKERS as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let arenas: Vec<_> = maps.lines().filter_map(anonymous).filter(|(start, end)| end - start >= each).collect();
    let bytes: u64 = arenas.iter().map(|(start, end)| end - start).sum();
    assert!(bytes >= in_total, "not found in:\n{maps}");
    arenas
}

/// The bounds of a mapping that can be written and has no name.
fn anonymous(line: &str) -> Option<(u64, u64)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [range, "rw-p", _, _, "0"] = fields[..] else { return None };
    let (start, end) = range.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

fn are_wiped(arenas: &[(u64, u64)]) -> bool {
    let mut memory = File::open("/proc/self/mem").unwrap();
    let zeros = vec![0; 1 << 20];
    let mut piece = zeros.clone();
    arenas.iter().all(|(start, end)| {
        memory.seek(SeekFrom::Start(*start)).unwrap();
        let mut left = usize::try_from(end - start).unwrap();
        while left > 0 {
            let length = left.min(zeros.len());
            memory.read_exact(&mut piece[..length]).unwrap();
            if piece[..length] != zeros[..length] {
                return false;
            }
            left -= length;
        }
        true
    })
}

fn resident_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}
