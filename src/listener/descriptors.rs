//! File descriptors: each connection needs one, and so does each file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Largest number of connections to the metrics.
pub const SCRAPE_CONNECTIONS: u32 = 128;
/// Descriptors reserved for the rest: connections to the metrics, and the store and its connections, the log and the next
/// connection of each address.
const RESERVED: usize = SCRAPE_CONNECTIONS as usize + 64;

/// Raises the process's own limit of descriptors to the limit that the system allows.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of file descriptors can't be raised");
    }
}

/// How many of `wanted` connections fit into the limit of descriptors, besides the other descriptors.
pub(super) fn affordable(wanted: usize, others: usize) -> usize {
    let room = room(getrlimit(Resource::Nofile).current, others);
    if room < wanted {
        tracing::warn!(
            wanted,
            room,
            "the limit of file descriptors (ulimit -n) has room for fewer connections than server.max_connections"
        );
    }
    room.min(wanted)
}

/// `None` means no limit. At least one connection is always allowed.
fn room(limit: Option<u64>, others: usize) -> usize {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.map_or(usize::MAX, |limit| limit.saturating_sub(RESERVED).saturating_sub(others).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_rest() {
        assert_eq!(room(Some(1024), 16), 1024 - 192 - 16);
        assert_eq!(room(Some(10), 0), 1);
        assert_eq!(room(None, 0), usize::MAX);
    }
}
