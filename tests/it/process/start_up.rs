//! What keeps the service from starting is reported on one line, and left unchanged.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::installation::{Installation, Outcome, files, outcome, with_mounts};
use crate::store::{connection_to, tamper};

/// An installation with a store that was closed in order.
fn installed() -> Installation {
    let installation = Installation::new();
    installation.bootstrap();
    installation
}

/// Starting ends with that message on one line, and no file is touched or removed.
fn assert_refused(installation: &Installation, message: &str) {
    let before = kept(installation);
    assert_reported(&serve(installation), &message.replace("{}", &installation.database().display().to_string()));
    assert!(kept(installation) == before, "{message}");
}

/// What is in the data directory. Whoever looks into a SQLite database may leave an empty write-ahead log and its index
/// beside it.
fn kept(installation: &Installation) -> Vec<(PathBuf, Vec<u8>)> {
    let is_left_behind = |path: &Path, content: &[u8]| match path.extension().and_then(OsStr::to_str) {
        Some("db-wal") => content.is_empty(),
        extension => extension == Some("db-shm"),
    };
    let files = files(&installation.data()).into_iter();
    files.filter(|(path, content)| !is_left_behind(path, content)).collect()
}

fn serve(installation: &Installation) -> Outcome {
    installation.run(&["serve", "--server-listen", "127.0.0.1:0"])
}

fn assert_reported(outcome: &Outcome, message: &str) {
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with(&format!("error: can't serve: {message}")), "{message}: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let installation = Installation::new();
    fs::create_dir(installation.data()).unwrap();
    let database = installation.database();

    fs::write(&database, "dear diary, ".repeat(1000)).unwrap();
    assert_refused(&installation, "{} is not a database");

    fs::remove_file(&database).unwrap();
    tamper(&database, "CREATE TABLE theirs (value); INSERT INTO theirs VALUES (1)");
    assert_refused(&installation, "{} is a database of another program");

    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    fs::write(database.join("mine.txt"), "mine").unwrap();
    assert_refused(&installation, "{} is a directory, not a store");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let installation = installed();
    tamper(&installation.database(), "PRAGMA user_version = 1000");
    assert_refused(&installation, "the store {} has schema 1000, this program knows 11: use a newer program");
}

#[tokio::test]
async fn a_store_that_another_process_holds_is_refused() {
    let installation = installed();
    let database = installation.database();
    let before = kept(&installation);
    let other = connection_to(&database);
    let hold = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM tenant";
    other.execute_batch(hold).unwrap();
    // To read the file here would give up this process's locks on it (POSIX).
    assert_reported(&serve(&installation), &format!("the store {} is locked by another process", database.display()));
    drop(other);
    assert!(kept(&installation) == before);
    installation.serve(&[]).await.stop().await;
}

#[tokio::test]
async fn a_second_service_reports_who_has_the_store() {
    let installation = installed();
    let serving = installation.serve(&[]).await;
    let database = installation.database();
    let locked =
        |name: &Path| format!("the store {} is locked by another process: pid {}", name.display(), serving.id());
    assert_reported(&serve(&installation), &format!("{} on ", locked(&database)));

    let other = installation.path("other.db");
    fs::hard_link(&database, &other).unwrap();
    let url = format!("sqlite:{}", other.display());
    let second = installation.run(&["serve", "--server-listen", "127.0.0.1:0", "--store-url", &url]);
    assert_reported(&second, &format!("{}, which uses the file under another name", locked(&other)));
    let beside = installation.run(&["bootstrap"]);
    assert!(beside.stderr.contains("an operator has a valid access token already"), "{}", beside.stderr);
    serving.stop().await;
}

#[tokio::test]
async fn a_service_whose_store_was_replaced_acknowledges_nothing_and_says_so_once() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    let database = installation.database();
    fs::copy(&database, installation.path("copy.db")).unwrap();
    fs::rename(installation.path("copy.db"), &database).unwrap();
    for name in ["ann", "ben"] {
        let refused = acme.root.call("CreateRamUser", json!({ "user_name": name, "password": "mypassword" })).await;
        assert_eq!(refused.reason(), "STORE_UNAVAILABLE");
    }
    let log = serving.stop().await;
    assert_eq!(log.matches("the service refuses calls that need the store").count(), 1, "{log}");
    assert!(log.contains("was removed or replaced while the store was open"), "{log}");
}

#[test]
fn a_store_that_may_not_be_written_is_refused() {
    let installation = installed();
    let database = installation.database();
    fs::set_permissions(&database, Permissions::from_mode(0o400)).unwrap();
    assert_refused(&installation, "the store {} is read-only");
    fs::set_permissions(&database, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(installation.data(), Permissions::from_mode(0o500)).unwrap();
    assert_refused(&installation, "the directory of the store {} is read-only");
    fs::set_permissions(installation.data(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_store_on_a_read_only_file_system_is_refused() {
    let installation = installed();
    let before = kept(&installation);
    let mount = "mount --bind credentiald-data credentiald-data; mount -o remount,bind,ro credentiald-data";
    let serve = installation.command(&["serve", "--server-listen", "127.0.0.1:0"]);
    let refused = outcome(with_mounts(mount, &serve));
    assert_reported(&refused, &format!("the store {} is read-only", installation.database().display()));
    assert!(kept(&installation) == before);
}

#[test]
fn a_port_in_use_is_reported() {
    let installation = Installation::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = installation.run(&["serve", "--server-listen", &address]);
    assert_reported(&outcome, &format!("{address} is in use by another program"));
    assert!(!installation.data().exists(), "no store is made");
}

#[test]
fn a_bad_configuration_is_reported_before_anything_is_touched() {
    let installation = Installation::new();
    // Below every line of the OWASP list.
    let outcome = installation.run(&["serve", "--hashing-memory-kib", "1024"]);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(78), ""));
    assert!(outcome.stderr.contains("--hashing-memory-kib: "), "{}", outcome.stderr);
    assert!(!installation.data().exists(), "no store is made");
}
