//! A hash that is replaced by another of the same password leaves everything else alone.

use std::sync::Arc;

use credentiald::domain::credential::{Credential, HashDigest, Revision, VersionedHash};
use credentiald::domain::page::PageRequest;
use credentiald::domain::subject::SubjectId;
use credentiald::ports::Store;
use credentiald::ports::store::CommitOutcome;
use tokio::sync::Barrier;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

async fn credential(store: &dyn Store, subject: SubjectId) -> Credential {
    store.credential(subject).await.unwrap().unwrap()
}

pub async fn a_replaced_hash_changes_nothing_else(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    let (before, events) = (credential(&*store, alice).await, backend.audit_events().await);

    assert!(store.replace_hash(alice, before.revision, &hash(20), DIGEST).await.unwrap());

    let after = credential(&*store, alice).await;
    assert_ne!(after.revision, before.revision);
    assert_eq!(after, Credential { hash: hash(20), revision: after.revision, ..before });
    assert_eq!(backend.audit_events().await, events);
    // The change id stays too: it is what the next change moves into the history, with the hash.
    make_change(&*store, alice, 2).await;
    assert_eq!(credential(&*store, alice).await.history, [VersionedHash { hash: hash(20), ..earlier(2) }, earlier(1)]);
}

pub async fn the_first_hash_of_a_password_is_known_after_upgrades(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    make_change(&*store, alice, 1).await;
    let first_hash = async |store: &dyn Store| {
        store.look_up_all(&[(&tenant("acme"), &ram_user("alice"))]).await.unwrap()[0].first_hash
    };
    assert_eq!(first_hash(&*store).await, None);
    for (number, digest) in [(20, DIGEST), (21, HashDigest(1))] {
        let revision = credential(&*store, alice).await.revision;
        assert!(store.replace_hash(alice, revision, &hash(number), digest).await.unwrap());
        assert_eq!(first_hash(&*store).await, Some(DIGEST));
    }
    let stale = credential(&*store, alice).await.revision;
    make_change(&*store, alice, 2).await;
    assert_eq!(first_hash(&*store).await, None, "of another password");
    assert!(!store.replace_hash(alice, stale, &hash(22), DIGEST).await.unwrap());
    assert_eq!(first_hash(&*store).await, None);
}

pub async fn a_stale_revision_changes_nothing(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let first = credential(&*store, alice).await.revision;
    assert!(store.replace_hash(alice, first, &hash(20), DIGEST).await.unwrap());
    let second = credential(&*store, alice).await.revision;
    make_change(&*store, alice, 1).await;
    let before = credential(&*store, alice).await;
    for stale in [first, second, Revision(0), Revision(before.revision.0 + 1), Revision(u64::MAX)] {
        assert!(!store.replace_hash(alice, stale, &hash(30), DIGEST).await.unwrap(), "{stale:?}");
    }
    assert_eq!(credential(&*store, alice).await, before);
    assert!(!store.replace_hash(SubjectId(Uuid::new_v4()), first, &hash(30), DIGEST).await.unwrap());
}

pub async fn of_an_upgrade_and_a_change_the_change_wins(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for round in 1..30 {
        let revision = credential(&*store, alice).await.revision;
        let start = Arc::new(Barrier::new(2));
        let (other, other_start) = (backend.store(), Arc::clone(&start));
        let upgrade = tokio::spawn(async move {
            other_start.wait().await;
            other.replace_hash(alice, revision, &hash(1000 + round), DIGEST).await.unwrap()
        });
        start.wait().await;
        let outcome = store.commit(&change(alice, Some(round))).await.unwrap();
        let upgraded = upgrade.await.unwrap();

        assert_eq!(outcome, CommitOutcome::Committed(version(round + 1)));
        let after = credential(&*store, alice).await;
        assert_eq!(after.hash, hash(round + 1));
        let replaced = hash(if upgraded { 1000 + round } else { round });
        assert_eq!(after.history[0], VersionedHash { hash: replaced, ..earlier(round) });
    }
}

pub async fn every_current_hash_is_listed_once(backend: &mut impl Backend) {
    let store = backend.store();
    for tenant in ["acme", "globex"] {
        let tenant = add_tenant(&*store, tenant).await;
        for number in 0..5 {
            let user = add_subject(&*store, &tenant, ram_user(&format!("user-{number}"))).await;
            make_first(&*store, user.id, number).await;
        }
        add_subject(&*store, &tenant, ram_user("without")).await;
    }
    for (owner, expected) in [(Some(tenant("acme")), 1), (Some(tenant("nobody")), 0), (None, 2)] {
        let mut found = Vec::new();
        let mut request = PageRequest { size: 2, after: None };
        loop {
            let page = store.hashes(owner.as_ref(), &request).await.unwrap();
            found.extend(page.items.iter().map(|entry| entry.hash.expose().to_owned()));
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        found.sort();
        let each = (0..5).flat_map(|number| std::iter::repeat_n(hash(number).expose().to_owned(), expected));
        let mut each: Vec<_> = each.collect();
        each.sort();
        assert_eq!(found, each, "{owner:?}");
    }
}

async fn make_first(store: &dyn Store, subject: SubjectId, number: u64) {
    let mut first = change(subject, None);
    first.hash = hash(number);
    assert_eq!(store.commit(&first).await.unwrap(), CommitOutcome::Committed(version(1)));
}
