//! Memory that the arenas take, and memory available: free on the machine, and allowed by the control group.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

/// Memory that the process needs besides the arenas.
const REST_OF_THE_PROCESS: u64 = 32 << 20;

/// The memory of the workers: all that hashes ever take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arenas {
    pub count: NonZeroU32,
    pub kib_each: u32,
}

/// The arenas don't fit.
#[derive(Debug, thiserror::Error)]
#[error(
    "{workers} hash workers of {mib_each} MiB each don't fit into the {available_mib} MiB that the machine and its \
     control group leave; use fewer workers, or a cost and a ceiling with less memory"
)]
pub struct TooLittleMemory {
    workers: u32,
    mib_each: u64,
    available_mib: u64,
}

impl Arenas {
    /// Refuses arenas that exceed the available memory, as far as the system reports it.
    pub(super) fn check(self, available_bytes: Option<u64>) -> Result<(), TooLittleMemory> {
        match available_bytes {
            Some(available) if self.bytes() > available => Err(TooLittleMemory {
                workers: self.count.get(),
                mib_each: self.mib_each(),
                available_mib: available >> 20,
            }),
            _ => Ok(()),
        }
    }

    /// Whether memory that only makes hashes faster may be taken: at most half of what is available, as far as that is
    /// known. If not, the log says so.
    pub(super) fn fit_well(self, available_bytes: Option<u64>) -> bool {
        let do_fit = available_bytes.is_some_and(|available| self.bytes() <= available / 2);
        if !do_fit {
            let mib_in_total = self.mib_in_total();
            let mib_available = available_bytes.map_or_else(|| "unknown".to_owned(), |bytes| (bytes >> 20).to_string());
            tracing::warn!(
                mib_in_total,
                mib_available,
                "hashing.interleave = 1, because half of the available memory, if it is known, is less than the memory for 2"
            );
        }
        do_fit
    }

    pub(super) fn mib_each(self) -> u64 {
        u64::from(self.kib_each).div_ceil(1024)
    }

    pub(super) fn mib_in_total(self) -> u64 {
        self.bytes().div_ceil(1 << 20)
    }

    pub(super) fn bytes(self) -> u64 {
        (u64::from(self.kib_each) << 10).saturating_mul(self.count.get().into())
    }
}

/// Bytes available for arenas; `None` if the system does not report them.
pub(super) fn available_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine_bytes(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group_bytes(Path::new("/sys/fs/cgroup"), &groups);
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

/// The tightest limit of the process's control groups, of either version, and of those above them.
fn group_bytes(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(":/")?;
        match controllers {
            "" => tightest(root, path, "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                tightest(&root.join("memory"), path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// The tightest limit of a group and of its ancestors. A container may see only its own groups, at the root.
fn tightest(root: &Path, path: &str, file: &str) -> Option<u64> {
    let own = root.join(path);
    let limit = |group: &Path| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
    own.ancestors().take_while(|group| group.starts_with(root)).filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_counts_before_total_memory() {
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
        assert_eq!(group_bytes(root.path(), "4:memory:/v1\n0::/service/one\n"), Some(1000));
        assert_eq!(group_bytes(root.path(), "0::/elsewhere\n"), None);
        assert_eq!(group_bytes(root.path(), ""), None);
    }

    #[test]
    fn limits_of_version_1_count_too() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("memory/service");
        fs::create_dir_all(&own).unwrap();
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
        fs::write(own.join("memory.limit_in_bytes"), "3000\n").unwrap();
        let groups = "9:name=systemd:/service\n5:cpu,memory:/service\n3:memory_other:/\n0::/\n";
        assert_eq!(group_bytes(root.path(), groups), Some(3000));
        // In a container, the path is the one outside of it, and the container's own group is at the root.
        assert_eq!(group_bytes(root.path(), "5:memory:/outside/service\n"), Some(9_223_372_036_854_771_712));
    }

    #[test]
    fn what_only_makes_hashes_faster_takes_half_of_the_memory_at_most() {
        let arenas = Arenas { count: NonZeroU32::new(2).unwrap(), kib_each: 94_208 };
        assert!(arenas.fit_well(Some(368 << 20)));
        assert!(!arenas.fit_well(Some((368 << 20) - 1)));
        assert!(!arenas.fit_well(None));
    }

    #[test]
    fn arenas_fit_up_to_the_available_memory() {
        let arenas = Arenas { count: NonZeroU32::new(2).unwrap(), kib_each: 47_104 };
        assert_eq!((arenas.mib_each(), arenas.mib_in_total()), (46, 92));
        assert!(arenas.check(Some(92 << 20)).is_ok() && arenas.check(None).is_ok());
        let refused = arenas.check(Some((92 << 20) - 1)).unwrap_err().to_string();
        assert!(refused.contains("2 hash workers of 46 MiB") && refused.contains("91 MiB"), "{refused}");
        let absurd = Arenas { count: NonZeroU32::MAX, kib_each: u32::MAX };
        assert!(absurd.check(Some(u64::MAX - 1)).is_err());
    }
}
