//! A file has one process that serves from it, and goes on being the file that was opened.

use std::fs;
use std::path::{Path, PathBuf};

use credentiald::domain::subject::SubjectId;
use credentiald::ports::StoreError;
use credentiald::ports::store::{Credentials, Subjects};
use credentiald::store::sqlite::{BackupError, OpenError};
use credentiald::store::{SqlStore, sqlite};
use tempfile::TempDir;

use super::values::*;

/// A store that is served from, with a subject.
async fn serving() -> (TempDir, PathBuf, SqlStore, SubjectId) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data/store.db");
    let store = sqlite::open_to_serve(&path).await.unwrap();
    let id = alice(&store).await;
    (directory, path, store, id)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn says<T>(refused: Result<T, StoreError>) -> String {
    match refused {
        Err(StoreError::Unavailable(cause)) => cause.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("the store goes on"),
    }
}

type Harm = fn(&Path);

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_takes_and_tells_nothing() {
    let harms: [(&str, Harm); 6] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("renamed", |path| fs::rename(path, beside(path, ".old")).unwrap()),
        ("replaced by a copy", |path| {
            fs::copy(path, beside(path, ".copy")).unwrap();
            fs::rename(beside(path, ".copy"), path).unwrap();
        }),
        ("without its log", |path| fs::remove_file(beside(path, "-wal")).unwrap()),
        ("without the index of its log", |path| fs::remove_file(beside(path, "-shm")).unwrap()),
        ("in a directory of another name", |path| {
            let directory = path.parent().unwrap();
            fs::rename(directory, directory.with_file_name("old")).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let (_directory, path, store, id) = serving().await;
        make_change(&store, id, 1).await;
        harm(&path);
        for said in [
            says(store.commit(&change(id, Some(2))).await),
            says(store.credential(id).await),
            says(store.subjects(&tenant("acme"), ram_user("alice").kind(), None, &page(2, None)).await),
            says(store.probe().await),
        ] {
            assert!(said.ends_with("was removed or replaced while the store was open: restart the service"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_file_that_was_gone_for_a_moment_is_not_trusted_again() {
    let (_directory, path, store, id) = serving().await;
    fs::rename(&path, beside(&path, ".old")).unwrap();
    says(store.probe().await);
    fs::rename(beside(&path, ".old"), &path).unwrap();
    says(store.commit(&change(id, Some(1))).await);
    store.close().await;
    let again = sqlite::open_to_serve(&path).await.unwrap();
    make_change(&again, id, 1).await;
}

#[tokio::test]
async fn an_owner_whose_file_was_replaced_leaves_the_note_of_the_next_one() {
    let (_directory, path, store, _) = serving().await;
    for suffix in ["", "-wal", "-shm"] {
        fs::rename(beside(&path, suffix), beside(&path, &format!("{suffix}.old"))).unwrap();
    }
    let next = sqlite::open_to_serve(&path).await.unwrap();
    store.close().await;
    // What runs beside the next one finds it by the note.
    sqlite::open(&path).await.unwrap().close().await;
    next.close().await;
    assert!(!beside(&path, "-owner").exists());
}

#[tokio::test]
async fn one_process_serves_from_a_file_under_any_name() {
    let (directory, path, store, id) = serving().await;
    let other = directory.path().join("other.db");
    fs::hard_link(&path, &other).unwrap();

    let me = format!("pid {}", std::process::id());
    let message = |error: OpenError| {
        assert!(matches!(error, OpenError::Owned { .. }), "{error:?}");
        error.to_string()
    };
    let second = message(sqlite::open_to_serve(&path).await.unwrap_err());
    assert!(second.contains(&format!("locked by another process: {me} on ")) && second.contains(", since 20"));
    let under_another_name = format!("{me}, which uses the file under another name");
    let copy = directory.path().join("copy.db");
    for refused in [
        sqlite::open_to_serve(&other).await.map(drop).unwrap_err(),
        sqlite::open(&other).await.map(drop).unwrap_err(),
        sqlite::check(&other, None).await.map(drop).unwrap_err(),
    ] {
        assert!(message(refused).ends_with(&under_another_name));
    }
    match sqlite::backup(&other, &copy, None).await {
        Err(BackupError::Open(error)) => assert!(message(error).ends_with(&under_another_name)),
        backed_up => panic!("{backed_up:?}"),
    }

    // What may run beside it does, under the same name.
    sqlite::open(&path).await.unwrap().close().await;
    assert!(sqlite::check(&path, None).await.unwrap().is_sound());
    sqlite::backup(&path, &copy, None).await.unwrap();
    make_change(&store, id, 1).await;

    store.close().await;
    assert!(!beside(&path, "-owner").exists());
    let moved = sqlite::open_to_serve(&other).await.unwrap();
    make_change(&moved, id, 2).await;
}

#[tokio::test]
async fn the_note_of_an_owner_that_was_killed_keeps_no_other_out() {
    let (_directory, path, store, id) = serving().await;
    store.close().await;
    fs::write(beside(&path, "-owner"), "pid 1 on elsewhere").unwrap();
    sqlite::open(&path).await.unwrap().close().await;
    let again = sqlite::open_to_serve(&path).await.unwrap();
    make_change(&again, id, 1).await;
    drop(again);
    assert!(!beside(&path, "-owner").exists());
}
