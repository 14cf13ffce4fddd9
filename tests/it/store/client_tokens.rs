//! A change and what it is remembered under are one.

use std::time::Duration;

use credentiald::domain::client_token::{REMEMBERED_FOR, RememberedChange};
use credentiald::domain::subject::SubjectId;
use credentiald::domain::time::Window;
use credentiald::ports::store::{Commit, CommitOutcome};

use super::backend::Backend;
use super::values::*;

const SECOND: i64 = 1_000_000;

/// The change that follows `expected`, remembered from that second on.
fn marked(subject: SubjectId, expected: u64, token: u8, second: i64) -> (Commit, RememberedChange) {
    let commit = change_under(subject, expected, client_token(token), at(second * SECOND));
    let (_, remembered) = commit.remember.unwrap();
    (commit, remembered)
}

pub async fn a_change_is_remembered_under_its_token(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let bob = add_subject_with_password(&*store, &tenant("acme"), ram_user("bob")).await.id;
    let (first, remembered_first) = marked(alice, 1, 1, 1);
    let (second, remembered_second) = marked(alice, 2, 2, 2);
    for commit in [first, second] {
        assert!(matches!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed(_)));
    }
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert_eq!(remembered(&*store, alice, &client_token(1)).await, Some(remembered_first));
    assert_eq!(remembered(&*store, alice, &client_token(2)).await, Some(remembered_second));
    assert_eq!(remembered(&*store, alice, &client_token(3)).await, None);
    assert_eq!(remembered(&*store, bob, &client_token(1)).await, None);
}

pub async fn what_is_not_committed_is_not_remembered(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    let (stale, _) = marked(alice, 1, 1, 1);
    assert_eq!(store.commit(&stale).await.unwrap(), CommitOutcome::VersionMoved(Some(version(2))));
    // An event that can't be written, because its id is taken, takes everything along.
    let made = change(alice, Some(2));
    store.commit(&made).await.unwrap();
    let (mut refused, _) = marked(alice, 3, 1, 1);
    refused.authority.event.id = made.authority.event.id;
    store.commit(&refused).await.unwrap_err();
    assert_eq!(remembered(&*store, alice, &client_token(1)).await, None);
}

pub async fn what_is_remembered_last_takes_the_place(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let (first, _) = marked(alice, 1, 1, 1);
    let (second, of_second) = marked(alice, 2, 1, 100);
    store.commit(&first).await.unwrap();
    store.commit(&second).await.unwrap();
    assert_eq!(remembered(&*store, alice, &client_token(1)).await, Some(of_second));
}

pub async fn a_deleted_subject_takes_its_tokens_along(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    store.commit(&marked(alice, 1, 1, 1).0).await.unwrap();
    store.delete_subject(&tenant("acme"), &ram_user("alice"), &authority()).await.unwrap();
    assert_eq!(remembered(&*store, alice, &client_token(1)).await, None);
}

pub async fn what_is_over_for_all_is_removed(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for number in 1..=6 {
        store.commit(&marked(alice, number.into(), number, number.into()).0).await.unwrap();
    }
    let left = async || {
        let mut left = Vec::new();
        for number in 1..=6 {
            if remembered(&*store, alice, &client_token(number)).await.is_some() {
                left.push(number);
            }
        }
        left
    };
    let of_fourth = Window::from(at(0), REMEMBERED_FOR).length + Duration::from_secs(4);
    assert!(!store.remove_old(at(0).after(of_fourth)).await.unwrap());
    assert_eq!(left().await, [5, 6]);
    store.commit(&marked(alice, 7, 4, 7).0).await.unwrap();
    assert_eq!(left().await, [4, 5, 6]);
}
