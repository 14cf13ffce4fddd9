//! Two passwords at most, each as long as it should be, and no hash for longer.

use std::time::Duration;

use credentiald::domain::action::Action;
use credentiald::domain::audit_event::AuditEvent;
use credentiald::domain::caller::Caller;
use credentiald::domain::change_event::ChangeKind;
use credentiald::domain::credential::{Credential, VersionedHash};
use credentiald::domain::names::FreeName;
use credentiald::domain::overlap::{OverlapState, PasswordUse};
use credentiald::domain::subject::SubjectId;
use credentiald::domain::time::{Timestamp, minutes};
use credentiald::ports::Store;
use credentiald::ports::store::{Authority, Commit, CommitOutcome};

use super::backend::Backend;
use super::change_events::events_of;
use super::values::*;

/// A time of day, so many minutes after its beginning.
fn minute(number: u32) -> Timestamp {
    at(1_795_316_066_000_000).after(minutes(number))
}

/// A mail domain with hash 1 at version 1, whose overlaps take ten minutes.
async fn domain(store: &dyn Store) -> SubjectId {
    let acme = add_tenant(store, "acme").await;
    let id = add_subject_with_password(store, &acme, mail_domain("example.com")).await.id;
    assert!(store.set_overlap(id, minutes(10), &authority()).await.unwrap());
    id
}

/// The change that follows `expected`, made then, of a subject without a history.
fn change_then(subject: SubjectId, expected: u64, now: Timestamp) -> Commit {
    let mut commit = change(subject, Some(expected));
    (commit.at, commit.keep_history) = (now, 0);
    commit.authority.event.action = Action::ModifyPwByDomain;
    commit
}

async fn make(store: &dyn Store, commit: &Commit) {
    assert!(matches!(store.commit(commit).await.unwrap(), CommitOutcome::Committed(_)));
}

async fn credential(store: &dyn Store, subject: SubjectId) -> Credential {
    store.credential(subject).await.unwrap().unwrap()
}

async fn kept(store: &dyn Store, subject: SubjectId) -> Vec<VersionedHash> {
    credential(store, subject).await.history
}

async fn state(store: &dyn Store, subject: SubjectId) -> OverlapState {
    store.overlap(subject, 10).await.unwrap().unwrap()
}

fn used_by(name: &str, at: Timestamp) -> PasswordUse {
    PasswordUse { caller: Caller::Service(tenant("acme"), FreeName::parse(name).unwrap()), at }
}

/// An administrator's name, then.
fn authority_at(now: Timestamp) -> Authority {
    Authority::of_process(AuditEvent { at: now, ..event() })
}

pub async fn a_change_begins_an_overlap_and_the_one_before_stays(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    assert_eq!(credential(&*store, id).await.previous(minute(0)), None);
    make(&*store, &change_then(id, 1, minute(0))).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    let credential = credential(&*store, id).await;
    for (now, is_good) in [(0, true), (9, true), (10, false), (600, false)] {
        let previous = credential.previous(minute(now)).cloned();
        assert_eq!(previous, is_good.then(|| earlier(1)), "{now}");
    }
    assert_eq!(credential.previous(at(0)), None, "for a clock behind its start it is over");
    let state = state(&*store, id).await;
    assert_eq!(state.overlap.length, minutes(10));
    assert_eq!(state.overlap.window.unwrap().end(), minute(10));
    let versions = [state.current, state.previous].map(|password| password.map(|one| (one.version, one.changed_at)));
    assert_eq!(versions, [Some((version(2), Some(minute(0)))), Some((version(1), Some(at(5))))]);
    let last = events_of(&*store, &tenant("acme")).await.pop().unwrap();
    assert_eq!(last.kind, ChangeKind::Changed { version: version(2), overlap_until: Some(minute(10)) });
}

pub async fn a_change_during_an_overlap_drops_the_older_one(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    make(&*store, &change_then(id, 1, minute(0))).await;
    make(&*store, &change_then(id, 2, minute(1))).await;
    assert_eq!(kept(&*store, id).await, [earlier(2)]);
    assert_eq!(credential(&*store, id).await.previous(minute(1)), Some(&earlier(2)));
}

pub async fn a_change_that_begins_none_ends_the_one_that_runs(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    make(&*store, &change_then(id, 1, minute(0))).await;
    let reset = Commit { begins_overlap: false, ..change_then(id, 2, minute(1)) };
    make(&*store, &reset).await;
    assert_eq!((kept(&*store, id).await, credential(&*store, id).await.overlap.window), (vec![], None));
}

pub async fn what_is_ended_leaves_only_what_the_history_needs(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    for (expected, keep_history, left) in [(1, 0, vec![]), (2, 2, vec![earlier(2)]), (3, 1, vec![earlier(3)])] {
        make(&*store, &Commit { keep_history, ..change_then(id, expected, minute(0)) }).await;
        assert!(store.end_overlap(id, &authority()).await.unwrap());
        assert_eq!(kept(&*store, id).await, left, "{expected}");
        let state = state(&*store, id).await;
        assert_eq!((state.overlap.window, state.overlap.length), (None, minutes(10)));
    }
}

pub async fn a_shorter_length_shortens_and_none_ends(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    make(&*store, &change_then(id, 1, minute(0))).await;
    let end = async |store: &dyn Store| state(store, id).await.overlap.window.map(|window| window.end());
    for (length, now, expected) in
        [(60, 1, Some(minute(10))), (5, 2, Some(minute(5))), (8, 3, Some(minute(5))), (3, 4, None)]
    {
        assert!(store.set_overlap(id, minutes(length), &authority_at(minute(now))).await.unwrap());
        assert_eq!(end(&*store).await, expected, "{length}");
    }
    assert_eq!(kept(&*store, id).await, []);
    make(&*store, &change_then(id, 2, minute(5))).await;
    assert!(store.set_overlap(id, Duration::ZERO, &authority_at(minute(5))).await.unwrap());
    assert_eq!((end(&*store).await, kept(&*store, id).await), (None, vec![]));
}

pub async fn a_subject_that_does_not_exist_has_no_overlap(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    let events = backend.audit_events().await.len();
    let nobody = SubjectId(uuid::Uuid::new_v4());
    assert!(!store.set_overlap(nobody, minutes(1), &authority()).await.unwrap());
    assert!(!store.end_overlap(nobody, &authority()).await.unwrap());
    assert_eq!(store.overlap(nobody, 10).await.unwrap(), None);
    store.note_use(nobody, version(1), &used_by("relay", minute(0))).await.unwrap();
    assert_eq!(backend.audit_events().await.len(), events);
    assert!(store.end_overlap(id, &authority()).await.unwrap());
    assert_eq!(backend.audit_events().await.len(), events + 1);
}

pub async fn overlaps_that_are_over_are_cleared_away(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let mut domains = Vec::new();
    for number in 0..6 {
        let name = mail_domain(&format!("d{number}.example"));
        let id = add_subject_with_password(&*store, &acme, name).await.id;
        store.set_overlap(id, minutes(10 + number), &authority()).await.unwrap();
        make(&*store, &change_then(id, 1, minute(0))).await;
        domains.push(id);
    }
    let left = async || {
        let mut left = Vec::new();
        for (number, id) in domains.iter().enumerate() {
            if !kept(&*store, *id).await.is_empty() {
                left.push(number);
            }
        }
        left
    };
    store.remove_old(minute(9)).await.unwrap();
    assert_eq!(left().await, [0, 1, 2, 3, 4, 5]);
    store.remove_old(minute(11)).await.unwrap();
    assert_eq!(left().await, [2, 3, 4, 5]);
    store.remove_old(minute(60)).await.unwrap();
    assert_eq!(left().await, [0; 0]);
}

pub async fn uses_are_noted_once_a_minute_for_each_caller_and_password(backend: &mut impl Backend) {
    let store = backend.store();
    let id = domain(&*store).await;
    make(&*store, &change_then(id, 1, minute(0))).await;
    let note = async |number: u64, name: &str, now: Timestamp| {
        store.note_use(id, version(number), &used_by(name, now)).await.unwrap();
    };
    note(1, "slow", minute(1)).await;
    note(1, "slow", minute(1).after(Duration::from_secs(59))).await;
    note(2, "quick", minute(1)).await;
    note(2, "quick", minute(2)).await;
    note(2, "slow", minute(3)).await;
    note(3, "future", minute(3)).await;
    let seen = state(&*store, id).await;
    assert_eq!(seen.previous.unwrap().uses, [used_by("slow", minute(1))]);
    assert_eq!(seen.current.unwrap().uses, [used_by("slow", minute(3)), used_by("quick", minute(2))]);
    assert_eq!(store.overlap(id, 1).await.unwrap().unwrap().current.unwrap().uses, [used_by("slow", minute(3))]);

    // A password that is not good any more has no uses, and gets none.
    store.end_overlap(id, &authority()).await.unwrap();
    note(1, "late", minute(4)).await;
    make(&*store, &change_then(id, 2, minute(5))).await;
    let seen = state(&*store, id).await;
    assert_eq!(seen.previous.unwrap().uses.len(), 2);
    assert_eq!(seen.current.unwrap().uses, []);
}
