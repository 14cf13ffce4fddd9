//! The files of the embedded store: how they are made, and which are refused and left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use credentiald::domain::caller::Caller;
use credentiald::domain::credential::{ChangeId, ChangedBy, Revision};
use credentiald::domain::delivery::DeliveryPhase;
use credentiald::domain::endpoint::Discovery;
use credentiald::domain::names::MasterName;
use credentiald::domain::subject::SubjectId;
use credentiald::ports::store::{
    AccessTokens, AuditLog, Credentials, Deliveries, ImportedSubject, Imports, Subjects, Tenants,
};
use credentiald::store::sqlite::OpenError;
use credentiald::store::{Migrated, SqlStore, sqlite};
use memchr::memmem;
use tempfile::TempDir;
use uuid::Uuid;

use super::sqlite::{connection_to, tamper};
use super::values::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// A store with something in it, closed.
async fn closed_store() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = sqlite::open(&path).await.unwrap();
    alice(&store).await;
    store.close().await;
    (directory, path)
}

/// Opening is refused, and every byte stays where it was.
async fn refused(path: &Path) -> OpenError {
    let before = fs::read(path).ok();
    let error = sqlite::open(path).await.expect_err("it is refused");
    assert_eq!(fs::read(path).ok(), before);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

#[tokio::test]
async fn no_other_user_can_read_the_files() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("made/for");
    let path = directory.join("store.db");
    let store = sqlite::open(&path).await.unwrap();
    alice(&store).await;
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&path, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(mode(&directory), 0o700);
    store.close().await;
    let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["store.db"], "an orderly end leaves one file");
}

#[tokio::test]
async fn everything_is_on_the_disk_before_it_is_confirmed() {
    let (_directory, path) = closed_store().await;
    let store = sqlite::open(&path).await.unwrap();
    make_change(&store, store_alice(&store).await, 1).await;
    // What a crash would leave: the two files as they are now.
    let copy = TempDir::new().unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(beside(&path, suffix), beside(&copy.path().join("store.db"), suffix)).unwrap();
    }
    let found = sqlite::open(&copy.path().join("store.db")).await.unwrap();
    let id = store_alice(&found).await;
    let credential = found.credential(id).await.unwrap().unwrap();
    assert_eq!(credential.version, version(2));
}

async fn store_alice(store: &SqlStore) -> SubjectId {
    store.subject(&tenant("acme"), &ram_user("alice")).await.unwrap().unwrap().subject.id
}

#[tokio::test]
async fn a_replaced_hash_is_overwritten_in_the_file() {
    let (_directory, path) = closed_store().await;
    let store = sqlite::open(&path).await.unwrap();
    let id = store_alice(&store).await;
    let mut commit = change(id, Some(1));
    commit.keep_history = 0;
    store.commit(&commit).await.unwrap();
    store.close().await;
    let bytes = fs::read(&path).unwrap();
    let holds = |text: &str| memmem::find(&bytes, text.as_bytes()).is_some();
    assert!(holds(hash(2).expose()) && !holds(hash(1).expose()));
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let directory = TempDir::new().unwrap();
    assert!(matches!(refused(directory.path()).await, OpenError::IsDirectory(_)));

    let path = directory.path().join("file");
    for content in [&b""[..], b"short", &[0; 8192], b"SQLite format 3\0"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(refused(&path).await, OpenError::NotADatabase(_)));
    }
    fs::remove_file(&path).unwrap();
    tamper_new(&path, "CREATE TABLE theirs (x)");
    assert!(matches!(refused(&path).await, OpenError::NotAStore(_)));

    for missing in
        [sqlite::check(&beside(&path, "x"), None).await.map(drop), sqlite::migrate(&beside(&path, "x")).await.map(drop)]
    {
        assert!(matches!(missing, Err(OpenError::Absent(_))));
    }
}

/// Runs SQL in a database that is made for it.
fn tamper_new(path: &Path, statements: &str) {
    fs::write(path, b"").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    tamper(path, statements);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_directory, path) = closed_store().await;
    tamper(&path, "PRAGMA user_version = 99");
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(matches!(sqlite::migrate(&path).await, Err(OpenError::Newer { .. })));
    assert!(matches!(sqlite::check(&path, None).await, Err(OpenError::Newer { .. })));
}

#[tokio::test]
async fn an_older_schema_is_refused_until_it_is_migrated() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    // Ours, and older than the first migration.
    tamper_new(&path, "PRAGMA application_id = 1129465156");
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Older { found: 0, .. }));
    assert!(error.to_string().contains("credentiald migrate"));

    assert_eq!(sqlite::migrate(&path).await.unwrap(), Migrated { from: 0, to: 11 });
    assert_eq!(sqlite::migrate(&path).await.unwrap(), Migrated { from: 11, to: 11 });
    alice(&sqlite::open(&path).await.unwrap()).await;
}

#[tokio::test]
async fn a_store_of_each_older_schema_is_brought_up_with_all_that_it_holds() {
    for (from, dump) in [
        (1, include_str!("schema_1.sql")),
        (2, include_str!("schema_2.sql")),
        (3, include_str!("schema_3.sql")),
        (4, include_str!("schema_4.sql")),
        (5, include_str!("schema_5.sql")),
        (6, include_str!("schema_6.sql")),
        (7, include_str!("schema_7.sql")),
        (8, include_str!("schema_8.sql")),
        (9, include_str!("schema_9.sql")),
        (10, include_str!("schema_10.sql")),
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        tamper_new(&path, dump);
        let error = refused(&path).await;
        assert!(matches!(error, OpenError::Older { found, .. } if found == from), "{error}");

        assert_eq!(sqlite::migrate(&path).await.unwrap(), Migrated { from, to: 11 });

        assert_eq!(sqlite::check(&path, None).await.unwrap().damages, Vec::<String>::new());
        let store = sqlite::open(&path).await.unwrap();
        let id = store_alice(&store).await;
        let credential = store.credential(id).await.unwrap().unwrap();
        assert_eq!((credential.version, credential.revision), (version(2), Revision(1)));
        assert_eq!(credential.hash.key(), None);
        assert!(credential.hash.expose().ends_with("$u/UnOdC0ew5LJ8kzq29/b9tS8tU9gmc10jrI7qmQJo0"));
        let earlier: Vec<_> = credential.history.iter().map(|earlier| (earlier.version, earlier.hash.key())).collect();
        assert_eq!(earlier, [(version(1), None)]);
        assert_eq!(store.settings(&tenant("acme")).await.unwrap().unwrap().ram.password_reuse_prevention(), 3);
        assert!(store.replace_hash(id, credential.revision, &hash(4), DIGEST).await.unwrap());
        make_change(&store, id, 2).await;
        if from == 8 {
            let acme = store.tenant(&tenant("acme")).await.unwrap().unwrap();
            let root = store.access_token(&digest(1)).await.unwrap().unwrap();
            assert_eq!((root.caller, root.tenant), (Caller::Root(acme.name), Some(acme.id)));
        }
    }
}

#[tokio::test]
async fn a_store_with_endpoints_and_deliveries_is_brought_up_with_them() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    tamper_new(&path, include_str!("schema_10.sql"));
    assert_eq!(sqlite::migrate(&path).await.unwrap(), Migrated { from: 10, to: 11 });
    assert_eq!(sqlite::check(&path, None).await.unwrap().damages, Vec::<String>::new());
    let store = sqlite::open(&path).await.unwrap();
    let (acme, instance) = (tenant("acme"), instance_id("r-1"));
    let endpoint = store.endpoint(&acme, &instance).await.unwrap().unwrap().endpoint;
    assert_eq!(endpoint.discovery, Discovery::Sentinel(MasterName::parse("mymaster").unwrap()));
    let phases: Vec<_> = store.due_deliveries(&acme, &instance, at(i64::MAX), 9).await.unwrap();
    let phases: Vec<_> = phases.iter().flatten().map(|due| (due.account.as_str(), due.phase)).collect();
    assert_eq!(phases, [("app", DeliveryPhase::Adding), ("former", DeliveryPhase::Withdrawing)]);
}

#[tokio::test]
async fn a_changed_schema_is_refused() {
    for statement in ["DROP TABLE audit_event", "CREATE TRIGGER t AFTER INSERT ON tenant BEGIN SELECT 1; END"] {
        let (_directory, path) = closed_store().await;
        tamper(&path, statement);
        let error = refused(&path).await;
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(!sqlite::check(&path, None).await.unwrap().is_sound());
    }
}

#[tokio::test]
async fn a_store_that_is_open_to_everybody_is_refused() {
    let (_directory, path) = closed_store().await;
    for mode in [0o666, 0o604, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = refused(&path).await;
        assert!(matches!(error, OpenError::OpenToAll { .. }), "{mode:o}");
        assert!(error.to_string().ends_with(&format!("chmod o= {}", path.display())), "{error}");
    }
    for mode in [0o660, 0o600] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        sqlite::open(&path).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_read_only_file_or_directory_is_refused() {
    let (directory, path) = closed_store().await;
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert!(matches!(refused(&path).await, OpenError::ReadOnlyFile(_)));

    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
    assert!(matches!(refused(&path).await, OpenError::ReadOnlyDirectory(_)));
    assert!(matches!(refused(&directory.path().join("new.db")).await, OpenError::ReadOnlyDirectory(_)));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    sqlite::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_store_that_another_process_holds_for_itself_is_refused() {
    let (_directory, path) = closed_store().await;
    let other = connection_to(&path);
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM tenant").unwrap();
    let before = fs::read(&path).unwrap();
    let error = sqlite::open(&path).await.expect_err("it is locked");
    assert!(matches!(error, OpenError::Locked(_)), "{error:?}");
    drop(other);
    assert_eq!(fs::read(&path).unwrap(), before);
    sqlite::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_store_that_another_process_is_writing_to_without_end_is_refused() {
    let (_directory, path) = closed_store().await;
    let other = connection_to(&path);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = sqlite::open(&path).await.expect_err("it is locked");
    assert!(matches!(error, OpenError::Locked(_)), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    sqlite::open(&path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_large_transaction_made_of_the_log_is_given_back() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = sqlite::open(&path).await.unwrap();
    let acme = add_tenant(&store, "acme").await;
    let newcomer = |number| ImportedSubject {
        tenant: acme.clone(),
        subject: subject(ram_user(&format!("user-{number}"))),
        hash: Some(hash(1)),
        changed_by: ChangedBy::Administrator,
        changed_at: at(7),
        change_id: ChangeId(Uuid::new_v4()),
    };
    let subjects: Vec<_> = (0..12_000).map(newcomer).collect();
    assert!(store.import(&subjects, &[authority()]).await.unwrap());
    let log = || fs::metadata(beside(&path, "-wal")).unwrap().len();
    let kept = 8 * 1024 * 1024;
    assert!(log() > kept, "{}", log());
    // Once all of it has been moved into the file, the next commit begins it anew.
    for _ in 0..5000 {
        store.record(&event()).await.unwrap();
        if log() <= kept {
            return;
        }
    }
    panic!("the log has {} bytes", log());
}

#[tokio::test]
async fn a_copy_that_sqlite_made_opens() {
    let (directory, path) = closed_store().await;
    let copy = directory.path().join("copy.db");
    connection_to(&path).execute("VACUUM INTO $1", [copy.to_str().unwrap()]).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    let store = sqlite::open(&copy).await.unwrap();
    make_change(&store, store_alice(&store).await, 1).await;
}

#[tokio::test]
async fn a_healthy_store_is_checked_without_a_change() {
    let (_directory, path) = closed_store().await;
    let before = fs::read(&path).unwrap();
    let report = sqlite::check(&path, None).await.unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
    assert_eq!(
        report.sound_rows, 9,
        "a tenant, a subject, a credential, two audit events, a change event, the positions, the key of page tokens and the \
         beginning of the audit log"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}
