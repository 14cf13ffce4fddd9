//! The hash of a password that another system has confirmed takes the place of the mark, once.

use std::sync::Arc;

use credentiald::domain::audit_event::AuditOutcome;
use credentiald::domain::credential::{
    ChangeId, ChangedBy, Credential, HashDigest, PasswordHash, Revision, StoredHash, VersionedHash,
};
use credentiald::domain::subject::SubjectId;
use credentiald::ports::Store;
use credentiald::ports::store::{Authority, CommitOutcome, ImportedSubject};
use tokio::sync::Barrier;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

/// The mark, as it is stored without a pepper.
fn mark() -> StoredHash {
    StoredHash::new(None, PasswordHash::verified_elsewhere().expose().to_owned())
}

/// A RAM user whose password another system verifies.
pub async fn marked(store: &dyn Store, name: &str) -> SubjectId {
    let imported = ImportedSubject {
        tenant: tenant("acme"),
        subject: subject(ram_user(name)),
        hash: Some(mark()),
        changed_by: ChangedBy::Elsewhere,
        changed_at: at(7),
        change_id: ChangeId(Uuid::new_v4()),
    };
    assert!(store.import(std::slice::from_ref(&imported), &[authority()]).await.unwrap());
    imported.subject.id
}

async fn credential(store: &dyn Store, subject: SubjectId) -> Credential {
    store.credential(subject).await.unwrap().unwrap()
}

pub fn taken_over() -> Authority {
    Authority::of_process(event_of(AuditOutcome::TakenOver))
}

pub async fn a_hash_takes_the_place_of_the_mark_once_and_nothing_else_changes(backend: &mut impl Backend) {
    let store = backend.store();
    add_tenant(&*store, "acme").await;
    let (alice, bob) = (marked(&*store, "alice").await, marked(&*store, "bob").await);
    let (before, other) = (credential(&*store, alice).await, credential(&*store, bob).await);
    let made = taken_over();
    assert!(store.take_over(alice, before.revision, &hash(20), &made).await.unwrap());

    backend.reopen().await;
    let (store, events) = (backend.store(), backend.audit_events().await);
    assert_eq!(events.last(), Some(&made.event.id));
    let after = credential(&*store, alice).await;
    assert_ne!(after.revision, before.revision);
    let (hash_now, changed_by) = (hash(20), ChangedBy::Administrator);
    assert_eq!(after, Credential { hash: hash_now, changed_by, revision: after.revision, ..before.clone() });
    let found = store.look_up_all(&[(&tenant("acme"), &ram_user("alice"))]).await.unwrap();
    assert_eq!(found[0].first_hash, Some(HashDigest::VERIFIED_ELSEWHERE));
    for revision in [before.revision, after.revision, Revision(0), Revision(u64::MAX)] {
        assert!(!store.take_over(alice, revision, &hash(21), &taken_over()).await.unwrap(), "{revision:?}");
    }
    assert!(!store.take_over(SubjectId(Uuid::new_v4()), other.revision, &hash(21), &taken_over()).await.unwrap());
    assert_eq!((credential(&*store, alice).await, credential(&*store, bob).await), (after, other));
    assert_eq!(backend.audit_events().await, events);
    make_change(&*store, alice, 1).await;
}

pub async fn of_a_take_over_and_a_change_the_change_wins(backend: &mut impl Backend) {
    let store = backend.store();
    add_tenant(&*store, "acme").await;
    for round in 0..20 {
        let subject = marked(&*store, &format!("user-{round}")).await;
        let revision = credential(&*store, subject).await.revision;
        let start = Arc::new(Barrier::new(2));
        let (other, other_start) = (backend.store(), Arc::clone(&start));
        let take_over = tokio::spawn(async move {
            other_start.wait().await;
            other.take_over(subject, revision, &hash(20), &taken_over()).await.unwrap()
        });
        start.wait().await;
        let outcome = store.commit(&change(subject, Some(1))).await.unwrap();
        let was_first = take_over.await.unwrap();

        assert_eq!(outcome, CommitOutcome::Committed(version(2)));
        let after = credential(&*store, subject).await;
        assert_eq!((&after.hash, after.changed_by), (&hash(2), ChangedBy::Subject));
        let replaced = if was_first { hash(20) } else { mark() };
        assert_eq!(after.history, [VersionedHash { version: version(1), hash: replaced }]);
    }
}

pub async fn a_take_over_and_its_audit_event_are_one(backend: &mut impl Backend) {
    let store = backend.store();
    add_tenant(&*store, "acme").await;
    let (alice, bob) = (marked(&*store, "alice").await, marked(&*store, "bob").await);
    let made = taken_over();
    let of_alice = credential(&*store, alice).await;
    assert!(store.take_over(alice, of_alice.revision, &hash(20), &made).await.unwrap());
    // An event that can't be written, because its id is taken, takes the hash along.
    let before = credential(&*store, bob).await;
    store.take_over(bob, before.revision, &hash(21), &made).await.unwrap_err();
    assert_eq!(credential(&*store, bob).await, before);
    assert!(store.take_over(bob, before.revision, &hash(21), &taken_over()).await.unwrap());
}
