//! Keeps the memory of the process private: it holds passwords and keys.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::failure::Failure;

/// Rules out core dumps, and that other processes of the same user trace this one or read its memory and environment
/// (`PR_SET_DUMPABLE` in prctl(2)). Root still can.
pub(super) fn keep_memory_private() -> Result<(), Failure> {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    let set = setrlimit(Resource::Core, nothing).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    set.map_err(|error| Failure::caused("core dumps can't be ruled out", &io::Error::from(error)))
}
