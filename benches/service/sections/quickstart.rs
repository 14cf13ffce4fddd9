//! From nothing to serving, and the memory that an idle service has.

use std::process::Command;
use std::time::{Duration, Instant};

use credentiald::hashing::Cost;

use super::{Plan, arenas_mib};
use crate::machine::NoiseMeter;
use crate::process::{Process, free_address};
use crate::report::{Report, Series, Target};
use crate::server::{BINARY, until_serving};

const IDLE: Duration = Duration::from_secs(1);

pub async fn run(plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    let [mut start, mut resident] = <[Series; 2]>::default();
    for _ in 0..plan.quickstarts {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut command = Command::new(BINARY);
        command.arg("quickstart").arg("--data-dir").arg(folder.path().join("data"));
        command.args(["--server-listen", &address.to_string()]);
        let began = Instant::now();
        let mut process = Process::start(&command, &folder.path().join("log"));
        noise.add(process.id());
        until_serving(&mut process, address).await;
        start.push(began.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(IDLE).await;
        resident.push(process.resident_bytes() as f64 / f64::from(1 << 20));
    }
    let most_resident = 32.0 + arenas_mib(Cost::DEFAULT);
    report.row("`quickstart` in an empty folder, until it serves", Target::AtMost(300.0), "ms", &start);
    report.row("The same, idle: resident", Target::AtMost(most_resident), "MiB", &resident);
}
