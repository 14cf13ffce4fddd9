//! What happens when the disk is full, on a disk that is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use credentiald::ports::StoreError;
use credentiald::ports::store::Credentials;
use credentiald::store::sqlite;
use tempfile::TempDir;

use super::values::*;

/// Where the small disk is mounted.
const DISK: &str = "CREDENTIALD_TEST_DISK";

/// Mounts a small disk in a namespace of its own and runs the test below on it.
#[test]
fn a_full_disk_loses_nothing_and_is_survived() {
    let directory = TempDir::new().unwrap();
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).env(DISK, directory.path());
        command
    };
    let mount = format!("mount -t tmpfs -o size=2m tmpfs \"${DISK}\"");
    let mounted = in_namespace(&mount).output().is_ok_and(|output| output.status.success());
    assert!(mounted, "a full disk can't be tested: no file system can be mounted here");
    let test = "store::sqlite_full_disk::on_a_small_disk";
    let output = in_namespace(&format!("{mount} && exec \"$0\" --exact {test} --ignored --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && told[0].contains("1 passed"), "{}", told.concat());
}

#[tokio::test]
#[ignore = "runs on a small disk only: see above"]
async fn on_a_small_disk() {
    let disk = PathBuf::from(std::env::var_os(DISK).unwrap());
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let path = disk.join("store.db");
    let store = sqlite::open(&path).await.unwrap();
    let id = alice(&store).await;

    let large = |expected| {
        let mut commit = change(id, Some(expected));
        commit.event.resource = "x".repeat(50_000);
        commit
    };
    let mut made = 1;
    let error = loop {
        assert!(made < 10_000, "the disk is never full");
        match store.commit(&large(made)).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.credential(id).await.unwrap().unwrap().version, version(made), "reading goes on");
    store.commit(&large(made)).await.expect_err("still full");

    fs::remove_file(&ballast).unwrap();
    make_change(&store, id, made).await;
    store.close().await;
    assert!(sqlite::check(&path, None).await.unwrap().is_sound());
    let store = sqlite::open(&path).await.unwrap();
    assert_eq!(store.credential(id).await.unwrap().unwrap().version, version(made + 1));
}
