//! How much memory there is for the arenas: what the machine has free and what the control group allows.

use std::fs;
use std::path::Path;

/// What the rest of the process needs besides the arenas.
const REST_OF_THE_PROCESS: u64 = 32 << 20;

/// The bytes that arenas can take, or `None` where the system does not say.
pub(super) fn available_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine_bytes(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").ok();
    let group = groups.as_deref().and_then(own_group).and_then(|path| group_bytes(Path::new("/sys/fs/cgroup"), path));
    machine.into_iter().chain(group).min().map(|bytes| bytes.saturating_sub(REST_OF_THE_PROCESS))
}

/// `MemAvailable` of `/proc/meminfo`, or `MemTotal` on a kernel too old to have it.
fn machine_bytes(meminfo: &str) -> Option<u64> {
    let field = |name: &str| {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    field("MemAvailable:").or_else(|| field("MemTotal:"))
}

/// The path of the process's control group, version 2.
fn own_group(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The tightest `memory.max` of the group and of those above it.
fn group_bytes(root: &Path, path: &str) -> Option<u64> {
    let own = root.join(path);
    let limit = |group: &Path| fs::read_to_string(group.join("memory.max")).ok()?.trim().parse().ok();
    own.ancestors().take_while(|group| group.starts_with(root)).filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_counts_before_what_there_is() {
        let meminfo = "MemTotal:       24684152 kB\nMemFree:          100 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(machine_bytes(meminfo), Some(2 << 20));
        assert_eq!(machine_bytes("MemTotal:       4 kB\n"), Some(4096));
        assert_eq!(machine_bytes("nonsense"), None);
    }

    #[test]
    fn the_tightest_limit_above_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("service/one");
        fs::create_dir_all(&own).unwrap();
        fs::write(root.path().join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("service/memory.max"), "1000\n").unwrap();
        fs::write(own.join("memory.max"), "2000\n").unwrap();
        let path = own_group("4:memory:/v1\n0::/service/one\n").unwrap();
        assert_eq!(group_bytes(root.path(), path), Some(1000));
        assert_eq!(group_bytes(root.path(), "elsewhere"), None);
    }
}
