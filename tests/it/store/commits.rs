//! Passwords are set whole or not at all.

use std::sync::Arc;

use credentiald::domain::attempts::{Forget, StoredFailures};
use credentiald::domain::credential::{ChangedBy, Credential, Revision};
use credentiald::domain::overlap::Overlap;
use credentiald::domain::subject::SubjectId;
use credentiald::domain::tenant_settings::TenantSettings;
use credentiald::ports::Store;
use credentiald::ports::store::{Commit, CommitOutcome, Lookup};
use tokio::sync::Barrier;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

pub async fn who_set_a_password_is_read_back(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for (expected, changed_by) in (1..).zip(ChangedBy::ALL) {
        let commit = Commit { changed_by, ..change(alice, Some(expected)) };
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed(version(expected + 1)));
        assert_eq!(store.credential(alice).await.unwrap().unwrap().changed_by, changed_by);
        let entry = store.subject(&tenant("acme"), &ram_user("alice")).await.unwrap().unwrap();
        assert_eq!(entry.credential.unwrap().changed_by, changed_by);
    }
}

pub async fn an_absent_row_is_none(backend: &mut impl Backend) {
    let store = backend.store();
    assert_eq!(store.credential(SubjectId(Uuid::new_v4())).await.unwrap(), None);
    assert_eq!(store.settings(&tenant("acme")).await.unwrap(), None);
    assert_eq!(store.tenant(&tenant("acme")).await.unwrap(), None);
    assert_eq!(store.instance(&tenant("acme"), &instance_id("r-1")).await.unwrap(), None);
    assert_eq!(store.subject(&tenant("acme"), &ram_user("alice")).await.unwrap(), None);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    assert_eq!(store.failures(&pair(1, 1)).await.unwrap(), StoredFailures::default());

    let acme = add_tenant(&*store, "acme").await;
    let bob = add_subject(&*store, &acme, ram_user("bob")).await;
    assert_eq!(store.credential(bob.id).await.unwrap(), None, "a subject without a password has no credential");
    assert_eq!(store.settings(&acme).await.unwrap(), Some(TenantSettings::default()));
}

pub async fn a_password_is_set_and_read_back(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let bob = add_subject(&*store, &acme, ram_user("bob")).await.id;
    assert_eq!(store.commit(&change(bob, None)).await.unwrap(), CommitOutcome::Committed(version(1)));
    assert_eq!(store.commit(&change(bob, Some(1))).await.unwrap(), CommitOutcome::Committed(version(2)));
    let expected = Credential {
        version: version(2),
        revision: Revision(2),
        hash: hash(2),
        changed_at: at(2),
        changed_by: ChangedBy::Subject,
        history: vec![earlier(1)],
        overlap: Overlap::default(),
    };
    assert_eq!(store.credential(bob).await.unwrap(), Some(expected));
}

pub async fn a_stale_version_changes_nothing(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    store.record_failure(&pair(1, 1), at(1), &limit(), &event()).await.unwrap();
    let (before, events) = (store.credential(alice).await.unwrap(), backend.audit_events().await);

    for expected in [None, Some(1), Some(3), Some(u64::MAX - 1)] {
        let mut stale = change(alice, Some(1));
        stale.expected = expected.map(version);
        stale.forget = Some(Forget::Pair(pair(1, 1)));
        stale.keep_history = 0;
        let outcome = store.commit(&stale).await.unwrap();
        assert_eq!(outcome, CommitOutcome::VersionMoved(Some(version(2))), "{expected:?}");
    }
    assert_eq!(store.credential(alice).await.unwrap(), before);
    assert_eq!(store.failures(&pair(1, 1)).await.unwrap().by_all.count, 1);
    assert_eq!(backend.audit_events().await, events);

    let bob = add_subject(&*store, &tenant("acme"), ram_user("bob")).await.id;
    assert_eq!(store.commit(&change(bob, Some(1))).await.unwrap(), CommitOutcome::VersionMoved(None));
    let nobody = SubjectId(Uuid::new_v4());
    for expected in [None, Some(1)] {
        assert_eq!(store.commit(&change(nobody, expected)).await.unwrap(), CommitOutcome::SubjectGone);
    }
}

pub async fn of_sixteen_racing_writers_exactly_one_wins(backend: &mut impl Backend) {
    let alice = alice(&*backend.store()).await;
    race(backend, alice, Some(1)).await;
}

pub async fn of_sixteen_racing_first_passwords_exactly_one_is_set(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let bob = add_subject(&*store, &acme, ram_user("bob")).await.id;
    race(backend, bob, None).await;
}

async fn race(backend: &mut impl Backend, subject: SubjectId, expected: Option<u64>) {
    const RACERS: u64 = 16;
    let events = backend.audit_events().await.len();
    let start = Arc::new(Barrier::new(usize::try_from(RACERS).unwrap()));
    let racers = (0..RACERS).map(|number| {
        let (store, start) = (backend.store(), Arc::clone(&start));
        tokio::spawn(async move {
            let mut commit = change(subject, expected);
            commit.hash = hash(100 + number);
            start.wait().await;
            (number, store.commit(&commit).await.unwrap())
        })
    });
    let made = version(expected.unwrap_or(0) + 1);
    let mut winners = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            (number, CommitOutcome::Committed(version)) if version == made => winners.push(number),
            (_, outcome) => assert_eq!(outcome, CommitOutcome::VersionMoved(Some(made))),
        }
    }
    assert_eq!(winners.len(), 1);
    let credential = backend.store().credential(subject).await.unwrap().unwrap();
    assert_eq!((credential.version, credential.hash), (made, hash(100 + winners[0])));
    assert_eq!(backend.audit_events().await.len(), events + 1);
}

pub async fn a_reader_never_sees_half_of_a_change(backend: &mut impl Backend) {
    const CHANGES: u64 = 200;
    let store = backend.store();
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    let writer = tokio::spawn(async move {
        for expected in 2..CHANGES {
            make_change(&*store, alice, expected).await;
        }
    });
    let readers: Vec<_> = (0..3).map(|_| tokio::spawn(read_until(backend.store(), alice, CHANGES))).collect();
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn read_until(store: Arc<dyn Store>, subject: SubjectId, last: u64) {
    loop {
        let credential = store.credential(subject).await.unwrap().unwrap();
        let number = credential.version.number();
        assert_eq!(credential.hash, hash(number));
        assert_eq!(credential.changed_at, at(i64::try_from(number).unwrap()));
        let history: Vec<_> = (1..number).rev().take(3).map(earlier).collect();
        assert_eq!(credential.history, history);
        if number == last {
            return;
        }
    }
}

pub async fn what_was_committed_survives_reopening(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    store.record_failure(&pair(1, 1), at(7), &limit(), &event()).await.unwrap();
    assert!(store.bootstrap(&token(operator()), &digest(1), &event()).await.unwrap());
    let seen = async |backend: &dyn Backend| {
        let store = backend.store();
        (
            store.credential(alice).await.unwrap(),
            store.look_up(&tenant("acme"), &ram_user("alice")).await.unwrap(),
            store.failures(&pair(1, 1)).await.unwrap(),
            store.access_token(&digest(1)).await.unwrap(),
            backend.audit_events().await,
        )
    };
    let before = seen(backend).await;
    assert!(matches!(before.1, Lookup::Found(_)));
    drop(store);
    backend.reopen().await;
    assert_eq!(seen(backend).await, before);
}

pub async fn history_keeps_what_is_asked_newest_first(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let mut expected = 1;
    for (keep_history, history) in
        [(24, vec![1]), (2, vec![2, 1]), (2, vec![3, 2]), (24, vec![4, 3, 2]), (1, vec![5]), (0, vec![]), (24, vec![7])]
    {
        let mut commit = change(alice, Some(expected));
        commit.keep_history = keep_history;
        store.commit(&commit).await.unwrap();
        expected += 1;
        let history: Vec<_> = history.into_iter().map(earlier).collect();
        assert_eq!(store.credential(alice).await.unwrap().unwrap().history, history, "version {expected}");
    }
}

pub async fn a_change_forgets_the_callers_failures(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for caller in [1, 1, 2] {
        store.record_failure(&pair(1, caller), at(1), &limit(), &event()).await.unwrap();
    }
    let mut commit = change(alice, Some(1));
    commit.forget = Some(Forget::Pair(pair(1, 1)));
    store.commit(&commit).await.unwrap();
    let left = store.failures(&pair(1, 1)).await.unwrap();
    assert_eq!((left.by_caller.count, left.by_all.count), (0, 1));
}

pub async fn an_administrators_change_forgets_everybodys_failures(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for (subject, caller) in [(1, 1), (1, 2), (2, 1)] {
        store.record_failure(&pair(subject, caller), at(1), &limit(), &event()).await.unwrap();
    }
    let mut commit = change(alice, Some(1));
    commit.forget = Some(Forget::Subject(pair(1, 1)));
    store.commit(&commit).await.unwrap();
    for caller in [1, 2] {
        assert_eq!(store.failures(&pair(1, caller)).await.unwrap(), StoredFailures::default());
    }
    assert_eq!(store.failures(&pair(2, 1)).await.unwrap().by_all.count, 1);
}

pub async fn a_change_and_its_audit_event_are_one(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let made = change(alice, Some(1));
    store.commit(&made).await.unwrap();
    assert_eq!(backend.audit_events().await.last(), Some(&made.authority.event.id));

    // An event that can't be written, because its id is taken, takes the change along.
    let mut refused = change(alice, Some(2));
    refused.authority.event.id = made.authority.event.id;
    store.commit(&refused).await.unwrap_err();
    let credential = store.credential(alice).await.unwrap().unwrap();
    assert_eq!((credential.version, credential.history), (version(2), vec![earlier(1)]));
    make_change(&*store, alice, 2).await;
}
