//! Which threads of the service give way to the others, read from outside: in `/proc`.
#![cfg(target_os = "linux")]

use std::fs;

use super::installation::Installation;

/// The name and the nice value of each thread of a process (proc(5)).
fn threads(process: u32) -> Vec<(String, i32)> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let read = |stat: String| {
        let (before, after) = stat.rsplit_once(") ").unwrap();
        (before.split_once('(').unwrap().1.to_owned(), after.split(' ').nth(16).unwrap().parse().unwrap())
    };
    stats.map(read).collect()
}

#[tokio::test]
async fn every_other_hash_worker_gives_way_and_no_other_thread_does() {
    let installation = Installation::new();
    let serving = installation.serve(&["--hashing-workers", "3"]).await;
    let threads = threads(serving.id());
    // The test itself may run at a lower priority.
    let usual = threads.iter().map(|(_, nice)| *nice).min().unwrap();
    let lower = (usual + 10).min(19);
    for (name, nice) in &threads {
        assert_eq!(*nice, if name == "hash-1" { lower } else { usual }, "{name} of {threads:?}");
    }
    assert_eq!(threads.iter().filter(|(name, _)| name.starts_with("hash-")).count(), 3, "{threads:?}");
    serving.stop().await;
}
