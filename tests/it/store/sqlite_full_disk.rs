//! What happens when the disk is full, on a disk that is, and when a file reaches the process's limit.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use credentiald::ports::StoreError;
use credentiald::ports::store::Credentials;
use credentiald::store::sqlite;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use super::values::*;
use crate::support::installation::fill_disk;

/// Where the small disk is mounted.
const DISK: &str = "CREDENTIALD_TEST_DISK";

#[test]
fn a_full_disk_loses_nothing_and_is_survived() {
    on_a_disk_of("2m", "on_a_small_disk");
}

#[test]
fn a_log_that_could_not_be_moved_is_moved_once_there_is_room() {
    on_a_disk_of("6m", "on_a_disk_that_the_log_would_fill");
}

/// A write beyond the limit fails with EFBIG. SQLite has one error for this and for EDQUOT, of a quota that is used up, and
/// another one for a full disk. The signal that comes with it is ignored, as the program does.
#[test]
fn a_file_at_its_limit_loses_nothing_and_is_survived() {
    let directory = TempDir::new().unwrap();
    // In blocks of 512 bytes.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ && ulimit -S -f 2048 && exec \"$0\" \"$@\""]).env(DISK, directory.path());
    pass(limited.arg(std::env::current_exe().unwrap()), "below_a_limit");
}

/// Runs one of the tests below by that command.
fn pass(command: &mut Command, test: &str) {
    let test = format!("store::sqlite_full_disk::{test}");
    let output = command.args(["--exact", &test, "--ignored", "--nocapture"]).output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && printed[0].contains("1 passed"), "{}", printed.concat());
}

/// Mounts a small disk in a namespace of its own and runs one of the tests below on it.
fn on_a_disk_of(size: &str, test: &str) {
    let directory = TempDir::new().unwrap();
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).env(DISK, directory.path());
        command
    };
    let mount = format!("mount -t tmpfs -o size={size} tmpfs \"${DISK}\"");
    let mounted = in_namespace(&mount).output().is_ok_and(|output| output.status.success());
    assert!(mounted, "a full disk can't be tested: no file system can be mounted here");
    pass(in_namespace(&format!("{mount} && exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap()), test);
}

#[tokio::test]
#[ignore = "runs on a small disk only: see above"]
async fn on_a_small_disk() {
    let disk = PathBuf::from(std::env::var_os(DISK).unwrap());
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    fill_and_go_on(&disk.join("store.db"), "database or disk is full", || fs::remove_file(&ballast).unwrap()).await;
}

#[tokio::test]
#[ignore = "runs below a limit only: see above"]
async fn below_a_limit() {
    let disk = PathBuf::from(std::env::var_os(DISK).unwrap());
    let lift = || {
        let limit = getrlimit(Resource::Fsize);
        assert!(limit.current.is_some());
        setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    };
    fill_and_go_on(&disk.join("store.db"), "disk I/O error", lift).await;
}

/// Makes changes until there is no room, and more once there is.
async fn fill_and_go_on(path: &Path, cause: &str, make_room: impl FnOnce()) {
    let store = sqlite::open(path).await.unwrap();
    let id = alice(&store).await;

    let large = |expected| {
        let mut commit = change(id, Some(expected));
        commit.authority.event.resource = "x".repeat(50_000);
        commit
    };
    let (mut made, mut refused) = (1, 0);
    // A log that was refused room is moved, and starts over, for as long as there is room to move it to.
    while refused < 3 {
        assert!(made < 10_000, "the disk is never full");
        match store.commit(&large(made)).await {
            Ok(_) => (made, refused) = (made + 1, 0),
            Err(StoreError::Unavailable(error)) if error.to_string().contains(cause) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(store.credential(id).await.unwrap().unwrap().version, version(made), "reading goes on");

    make_room();
    make_change(&store, id, made).await;
    store.close().await;
    assert!(sqlite::check(path, None).await.unwrap().is_sound());
    let store = sqlite::open(path).await.unwrap();
    assert_eq!(store.credential(id).await.unwrap().unwrap().version, version(made + 1));
}

#[tokio::test]
#[ignore = "runs on a small disk only: see above"]
async fn on_a_disk_that_the_log_would_fill() {
    let disk = PathBuf::from(std::env::var_os(DISK).unwrap());
    let (path, log) = (disk.join("store.db"), disk.join("store.db-wal"));
    let store = sqlite::open(&path).await.unwrap();
    let id = alice(&store).await;
    let pages = |count: u64| count * 4096;

    // Just short of what a log grows to before it is moved.
    let mut made = 1;
    while fs::metadata(&log).unwrap().len() < pages(960) {
        make_change(&store, id, made).await;
        made += 1;
    }
    // There is room for the log to grow beyond that, and then none to move it to.
    let ballast = disk.join("ballast");
    fill_disk(&ballast);
    let filled = fs::metadata(&ballast).unwrap().len();
    OpenOptions::new().write(true).open(&ballast).unwrap().set_len(filled - pages(100)).unwrap();
    let mut large = change(id, Some(made));
    large.authority.event.resource = "x".repeat(60 * 4096);
    store.commit(&large).await.unwrap();
    made += 1;
    let mut refused = 0;
    while refused < 20 {
        assert!(made < 10_000, "the disk is never full");
        if store.commit(&change(id, Some(made))).await.is_ok() {
            made += 1;
        } else {
            refused += 1;
        }
    }

    // There is room again, for the log to be moved before it takes all of that too.
    fs::remove_file(&ballast).unwrap();
    for _ in 0..100 {
        make_change(&store, id, made).await;
        made += 1;
    }
}
