//! What it takes to build a filter of refused passwords, to open it, and to look a password up:
//! `cargo bench --bench blocklist`. All times are CPU time, so that other work on the machine does not count.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints, and stops where it can't go on"
)]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use credentiald::blocklist::{Builder, Digest, Filter, ListFormat};
use credentiald::policy::RefusedPasswords;

const LINES: u64 = 10_000_000;
const LOOKUPS: u64 = 200_000;

fn main() {
    let is_trial = std::env::args().any(|argument| argument == "--test");
    let lines = if is_trial { 1_000 } else { LINES };
    let directory = tempfile::tempdir().unwrap();
    let (list, path) = (directory.path().join("list"), directory.path().join("filter"));
    println!(
        "| List of {lines} lines | bytes of the list | built in | bytes of the filter | opened in | look-up, listed | look-up, not listed |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, format) in [("passwords", ListFormat::Plain), ("SHA-1 digests", ListFormat::Digests)] {
        write(&list, lines, format);
        let begun = cpu_time();
        let mut builder = Builder::new(Digest::Sha1, false, &path).unwrap();
        builder.add(BufReader::with_capacity(1 << 20, File::open(&list).unwrap()), format).unwrap();
        builder.finish(0).unwrap();
        let built = cpu_time().saturating_sub(begun);
        let begun = cpu_time();
        let filter = Filter::open(&path).unwrap();
        let opened = cpu_time().saturating_sub(begun);
        let listed = look_up(&filter, "password");
        let absent = look_up(&filter, "passphrase");
        let length = |path: &Path| fs::metadata(path).unwrap().len();
        println!(
            "| {name} | {} | {built:.1?} | {} | {opened:.1?} | {} | {absent:.2?} |",
            length(&list),
            length(&path),
            // The digests are made up, and belong to no password.
            if format == ListFormat::Plain { format!("{listed:.2?}") } else { "-".to_owned() },
        );
    }
}

/// Writes a list of as many lines.
fn write(path: &Path, lines: u64, format: ListFormat) {
    let mut list = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    for line in 0..lines {
        match format {
            ListFormat::Plain => writeln!(list, "password{line}").unwrap(),
            ListFormat::Digests => {
                // Spread evenly, as digests are.
                let spread = line.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                writeln!(list, "{spread:016X}{line:024X}:{}", line % 1_000).unwrap();
            }
        }
    }
    list.flush().unwrap();
}

/// The time of a look-up of a usual password, in a filter that is in the system's cache.
fn look_up(filter: &Filter, prefix: &str) -> Duration {
    let passwords: Vec<_> = (0..LOOKUPS).map(|number| format!("{prefix}{}", number * 7 % LINES)).collect();
    let begun = cpu_time();
    for password in &passwords {
        black_box(filter.contains(black_box(password)));
    }
    cpu_time().saturating_sub(begun) / u32::try_from(LOOKUPS).unwrap()
}

/// The time that this thread has run on a CPU.
fn cpu_time() -> Duration {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(statistics.split_whitespace().next().unwrap().parse().unwrap())
}
