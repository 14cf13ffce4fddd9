//! Programs that run for the benchmark, and not longer.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// In which Linux counts CPU time for programs.
const TICK: Duration = Duration::from_millis(10);

/// Names the CPUs of the programs that are measured, as taskset(1) takes them, where they are to have some of their own.
const CPUS: &str = "BENCH_CPUS";

/// A program that is killed when this is dropped, and when the benchmark ends in any other way: `setpriv` asks the
/// system for that. It has to be started by the main thread, because the system looks at the thread.
pub struct Process(Child);

impl Process {
    /// Starts a command, with what it says in a file.
    pub fn start(command: &Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "KILL", "--"]);
        if let Some(cpus) = std::env::var_os(CPUS) {
            tied.args(["taskset", "--cpu-list"]).arg(cpus);
        }
        tied.arg(command.get_program()).args(command.get_args());
        tied.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CREDENTIALD_")) {
            tied.env_remove(name);
        }
        tied.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(tied.spawn().expect("setpriv, of util-linux, starts it"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Memory that is resident, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(self.id())
    }

    /// CPU time so far.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Memory of a process that is resident, in bytes.
pub fn resident_bytes(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// CPU time of a process so far.
pub fn cpu_time(id: u32) -> Duration {
    TICK * u32::try_from(ticks_of(id).unwrap_or_default()).unwrap()
}

/// The CPU time of the generator and of the service, up to a moment.
pub struct CpuTimes {
    at: Instant,
    generator: Duration,
    service: Duration,
}

/// How many CPUs were used between two moments, on average.
pub struct CpuUse {
    pub generator: f64,
    pub service: f64,
}

impl CpuTimes {
    pub fn now(service: &Process) -> Self {
        Self { at: Instant::now(), generator: cpu_time(std::process::id()), service: service.cpu_time() }
    }

    pub fn until(&self, later: &Self) -> CpuUse {
        let of = |from: Duration, until: Duration| {
            until.saturating_sub(from).as_secs_f64() / (later.at - self.at).as_secs_f64()
        };
        CpuUse { generator: of(self.generator, later.generator), service: of(self.service, later.service) }
    }
}

/// `utime` and `stime` of `/proc/PID/stat` (proc(5)), which follow the name in parentheses.
pub fn ticks_of(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// A loopback address without a listener.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What a command prints, or nothing where it fails.
pub fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
