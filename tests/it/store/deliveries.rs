//! Endpoints of instances, and the deliveries of passwords to their nodes.

use credentiald::domain::delivery::{DeliveryBacklog, DeliveryPhase, DeliveryStep, DueDelivery, DueInstances};
use credentiald::domain::endpoint::StoredEndpoint;
use credentiald::domain::names::TenantName;
use credentiald::domain::subject::SubjectId;
use credentiald::domain::time::{Timestamp, minutes};
use credentiald::ports::store::Deletion;
use credentiald::ports::{Store, StoreError};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

const ALICE: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

/// The tenant `acme` with the account `app` of `r-1`, which has an endpoint.
async fn with_endpoint(store: &dyn Store) -> (TenantName, SubjectId, StoredEndpoint) {
    let acme = add_tenant(store, "acme").await;
    add_instance(store, &acme, "r-1").await;
    let app = add_subject_with_password(store, &acme, account("r-1", "app")).await;
    let endpoint = endpoint(2);
    assert!(store.set_endpoint(&acme, &instance_id("r-1"), &endpoint, &authority()).await.unwrap());
    (acme, app.id, endpoint)
}

async fn change_to_deliver(store: &dyn Store, app: SubjectId, expected: u64, now: i64) {
    let mut commit = change(app, Some(expected));
    commit.at = at(now);
    commit.deliver = Some(secret("b", &format!("passwords{expected}")));
    store.commit(&commit).await.unwrap();
}

async fn due(store: &dyn Store, acme: &TenantName, now: Timestamp) -> Vec<DueDelivery> {
    let found = store.due_deliveries(acme, &instance_id("r-1"), now, 10).await.unwrap();
    found.into_iter().map(Result::unwrap).collect()
}

fn step(phase: DeliveryPhase, due_at: Option<i64>) -> DeliveryStep {
    DeliveryStep { phase, due_at: due_at.map(at), attempts: 0, nodes: 2, reached: 2, failure: None, drift: None }
}

pub async fn an_endpoint_is_read_back_and_replaced_and_removed(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, app, first) = with_endpoint(&*store).await;
    let (one, other) = (instance_id("r-1"), instance_id("r-2"));
    let found = async || store.endpoint(&acme, &one).await.unwrap();
    assert_eq!((found().await, store.endpoint(&acme, &other).await.unwrap()), (Some(first), None));
    assert!(!store.set_endpoint(&acme, &other, &endpoint(1), &authority()).await.unwrap());

    let events = backend.audit_events().await.len();
    let second = endpoint(3);
    assert!(store.set_endpoint(&acme, &one, &second, &authority()).await.unwrap());
    assert_eq!((found().await, backend.audit_events().await.len()), (Some(second), events + 1));
    change_to_deliver(&*store, app, 1, 10).await;
    assert!(store.delete_endpoint(&acme, &one, &authority()).await.unwrap());
    assert!(!store.delete_endpoint(&acme, &one, &authority()).await.unwrap());
    assert_eq!((found().await, store.delivery(app).await.unwrap()), (None, None));
    assert_eq!(store.due_instances(at(99), 9).await.unwrap(), DueInstances::default());

    // An instance takes its endpoint along, where it may be deleted.
    assert!(store.set_endpoint(&acme, &one, &endpoint(1), &authority()).await.unwrap());
    let delete = async || store.delete_instance(&acme, &one, &authority()).await.unwrap();
    assert_eq!((delete().await, found().await.is_some()), (Deletion::NotEmpty, true));
    store.delete_subject(&acme, &account("r-1", "app"), &authority()).await.unwrap();
    assert_eq!((delete().await, found().await), (Deletion::Deleted, None));
}

pub async fn a_change_and_its_delivery_are_one_and_the_newest_takes_the_place(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, app, _) = with_endpoint(&*store).await;
    assert_eq!(store.due_instances(at(99), 9).await.unwrap(), DueInstances { has_endpoints: true, due: vec![] });
    let mut stale = change(app, Some(7));
    stale.deliver = Some(secret("b", "stale"));
    store.commit(&stale).await.unwrap();
    assert_eq!(store.delivery(app).await.unwrap(), None);

    change_to_deliver(&*store, app, 1, 10).await;
    let first = due(&*store, &acme, at(10)).await.remove(0);
    assert_eq!((first.version, first.phase, first.current), (version(2), DeliveryPhase::Adding, Some(version(2))));
    assert_eq!((first.passwords.clone(), first.account.as_str()), (Some(secret("b", "passwords1")), "app"));
    change_to_deliver(&*store, app, 2, 20).await;
    assert_eq!(due(&*store, &acme, at(19)).await, []);
    let second = due(&*store, &acme, at(20)).await.remove(0);
    assert_eq!((second.version, second.passwords), (version(3), Some(secret("b", "passwords2"))));
    let found = store.due_instances(at(20), 9).await.unwrap().due;
    assert_eq!(found, [(acme.clone(), instance_id("r-1"))]);
    let backlog = store.delivery_backlog(9).await.unwrap();
    assert_eq!(backlog, DeliveryBacklog { pending: 1, failing: 0, oldest: Some(at(20)) });

    // What was found out about the first is no longer true.
    let leased = store.lease_endpoint(&acme, &instance_id("r-1"), ALICE, at(20), at(30)).await.unwrap();
    assert!(leased.is_some());
    assert!(!store.record_delivery(&first, &step(DeliveryPhase::Done, None), ALICE, None).await.unwrap());

    // An account of an instance without an endpoint has none.
    add_instance(&*store, &acme, "r-2").await;
    let other = add_subject_with_password(&*store, &acme, account("r-2", "app")).await;
    change_to_deliver(&*store, other.id, 1, 10).await;
    assert_eq!(store.delivery(other.id).await.unwrap(), None);
}

pub async fn one_round_at_a_time_delivers_to_an_instance(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, app, endpoint) = with_endpoint(&*store).await;
    let instance = instance_id("r-1");
    change_to_deliver(&*store, app, 1, 10).await;
    let lease = async |by, now, until| store.lease_endpoint(&acme, &instance, by, at(now), at(until)).await.unwrap();
    assert_eq!(lease(ALICE, 10, 20).await, Some(endpoint));
    assert_eq!((lease(BOB, 19, 29).await, store.due_instances(at(19), 9).await.unwrap().due), (None, vec![]));
    let found = due(&*store, &acme, at(10)).await.remove(0);
    let failed = DeliveryStep {
        attempts: 1,
        reached: 1,
        failure: Some("it is down".to_owned()),
        drift: Some((at(12), "a:1".to_owned())),
        ..step(DeliveryPhase::Adding, Some(15))
    };
    assert!(!store.record_delivery(&found, &failed, BOB, None).await.unwrap());
    assert!(store.record_delivery(&found, &failed, ALICE, None).await.unwrap());
    let state = store.delivery(app).await.unwrap().unwrap();
    assert_eq!((state.attempts, state.reached, state.failure.as_deref()), (1, 1, Some("it is down")));
    assert_eq!(state.drift, Some((at(12), "a:1".to_owned())));
    assert_eq!(store.delivery_backlog(9).await.unwrap().failing, 1);

    // Renewed, it lasts longer.
    assert!(lease(ALICE, 12, 22).await.is_some());
    assert!(lease(BOB, 21, 31).await.is_none());
    // The lease has ended, and another round takes over.
    assert!(lease(BOB, 22, 32).await.is_some());
    let found = due(&*store, &acme, at(22)).await.remove(0);
    assert!(!store.record_delivery(&found, &step(DeliveryPhase::Done, None), ALICE, None).await.unwrap());
    store.release_endpoint(&acme, &instance, ALICE, None).await.unwrap();
    assert!(lease(ALICE, 23, 33).await.is_none(), "it is not the lease of the first that lasts");
    // The instance rests for a while.
    store.release_endpoint(&acme, &instance, BOB, Some(at(26))).await.unwrap();
    assert_eq!((lease(ALICE, 25, 35).await, store.due_instances(at(25), 9).await.unwrap().due), (None, vec![]));
    assert!(lease(ALICE, 26, 36).await.is_some());
}

pub async fn what_a_clock_that_was_put_back_has_set_is_over(backend: &mut impl Backend) {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000;
    let store = backend.store();
    let (acme, app, _) = with_endpoint(&*store).await;
    let instance = instance_id("r-1");
    let lease = async |by, now, until| store.lease_endpoint(&acme, &instance, by, at(now), at(until)).await.unwrap();
    let due_now = async |now| {
        // The first look puts it right.
        store.due_instances(at(now), 9).await.unwrap();
        !store.due_instances(at(now), 9).await.unwrap().due.is_empty()
    };
    // Not what another clock has set that is a little ahead, nor a comparison.
    change_to_deliver(&*store, app, 1, 60_000_010).await;
    assert!(!due_now(10).await);
    assert!(lease(ALICE, 60_000_010, DAY).await.is_some());
    let found = due(&*store, &acme, at(60_000_010)).await.remove(0);
    assert!(store.record_delivery(&found, &step(DeliveryPhase::Done, Some(DAY)), ALICE, None).await.unwrap());
    store.release_endpoint(&acme, &instance, ALICE, None).await.unwrap();
    assert!(!due_now(10).await);

    // An attempt, while the process that began it is gone with its lease.
    change_to_deliver(&*store, app, 2, DAY).await;
    assert!(lease(ALICE, DAY, DAY + 20).await.is_some());
    assert!(due_now(10).await);
    let (early, late) = (DAY - 60_000_000, DAY + 60_000_000);
    assert_eq!((lease(BOB, early, early + 20).await, lease(BOB, 10, 30).await.is_some()), (None, true));
    let found = due(&*store, &acme, at(10)).await.remove(0);
    assert_eq!(found.version, version(3));

    // An overlap that begins only now.
    assert!(store.record_delivery(&found, &step(DeliveryPhase::Overlapping, Some(late)), BOB, None).await.unwrap());
    store.release_endpoint(&acme, &instance, BOB, None).await.unwrap();
    assert!(!due_now(DAY).await);
    assert!(due_now(10).await);
}

pub async fn what_cannot_be_read_keeps_nothing_else_from_its_delivery(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, app, _) = with_endpoint(&*store).await;
    let instance = instance_id("r-1");
    let other = add_subject_with_password(&*store, &acme, account("r-1", "other")).await.id;
    change_to_deliver(&*store, app, 1, 10).await;
    change_to_deliver(&*store, other, 1, 20).await;
    backend.try_statement("UPDATE delivery SET phase = 'later' WHERE account = 'app'").await.unwrap();
    // However few are asked for.
    let found = store.due_deliveries(&acme, &instance, at(20), 1).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|due| due.ok().map(|due| due.subject)).collect();
    assert_eq!(found, [None, Some(other)]);
    let states = store.deliveries_of(&[app, other]).await.unwrap();
    let readable: Vec<_> = states.iter().filter(|(_, state)| state.is_ok()).map(|(subject, _)| *subject).collect();
    assert_eq!((states.len(), readable), (2, vec![other]));
    assert!(matches!(store.delivery(app).await, Err(StoreError::Damaged(_))));

    backend.try_statement("UPDATE endpoint SET nodes = '[\"a\"]'").await.unwrap();
    let leased = store.lease_endpoint(&acme, &instance, ALICE, at(20), at(30)).await;
    assert!(matches!(leased, Err(StoreError::Damaged(_))));
    assert_eq!(store.due_instances(at(29), 9).await.unwrap().due, [], "others get their turn");
}

pub async fn what_is_delivered_leaves_no_password_behind(backend: &mut impl Backend) {
    let (store, hashes) = (backend.store(), backend.hashes());
    let (acme, app, _) = with_endpoint(&*store).await;
    let instance = instance_id("r-1");
    store.set_overlap(app, minutes(1), &authority()).await.unwrap();
    change_to_deliver(&*store, app, 1, 10).await;
    let delivers = async || hashes.keys_in_use().await.unwrap().contains(&Some(pepper_key("b")));
    assert!(delivers().await);
    assert!(store.lease_endpoint(&acme, &instance, ALICE, at(10), at(99)).await.unwrap().is_some());
    let found = due(&*store, &acme, at(10)).await.remove(0);
    assert!(found.overlap.is_some());
    assert!(store.record_delivery(&found, &step(DeliveryPhase::Overlapping, Some(90)), ALICE, None).await.unwrap());
    assert_eq!(store.delivery_backlog(9).await.unwrap(), DeliveryBacklog::default());
    assert_eq!(due(&*store, &acme, at(50)).await, []);

    // Its overlap ends early.
    store.end_overlap(app, &authority()).await.unwrap();
    let found = due(&*store, &acme, at(50)).await.remove(0);
    assert_eq!((found.overlap, found.passwords.is_some()), (None, true));
    assert!(store.record_delivery(&found, &step(DeliveryPhase::Done, None), ALICE, None).await.unwrap());
    assert!(!delivers().await);
    let state = store.delivery(app).await.unwrap().unwrap();
    assert_eq!((state.phase, state.due_at, state.version), (DeliveryPhase::Done, None, version(2)));
    assert_eq!(due(&*store, &acme, at(i64::MAX)).await, []);
}

pub async fn what_was_delivered_of_an_account_is_withdrawn_once_it_is_deleted(backend: &mut impl Backend) {
    let (store, hashes) = (backend.store(), backend.hashes());
    let (acme, app, _) = with_endpoint(&*store).await;
    let (instance, name) = (instance_id("r-1"), account("r-1", "app"));
    let left = async || store.withdrawal(&acme, &name).await.unwrap();
    change_to_deliver(&*store, app, 1, 10).await;
    assert_eq!(left().await, None);
    assert!(store.lease_endpoint(&acme, &instance, ALICE, at(10), at(99)).await.unwrap().is_some());
    let before = due(&*store, &acme, at(10)).await.remove(0);
    assert_eq!(store.delete_subject(&acme, &name, &authority()).await.unwrap(), Deletion::Deleted);

    assert!(!store.record_delivery(&before, &step(DeliveryPhase::Done, None), ALICE, None).await.unwrap());
    assert!(!hashes.keys_in_use().await.unwrap().contains(&Some(pepper_key("b"))), "no password is needed for it");
    let deleted_at = authority().event.at;
    let state = left().await.unwrap();
    assert_eq!((state.phase, state.set_at, state.reached), (DeliveryPhase::Withdrawing, deleted_at, 0));
    let backlog = DeliveryBacklog { pending: 1, failing: 0, oldest: Some(deleted_at) };
    assert_eq!(store.delivery_backlog(9).await.unwrap(), backlog);
    assert_eq!(store.delete_instance(&acme, &instance, &authority()).await.unwrap(), Deletion::NotEmpty);

    let found = due(&*store, &acme, at(10)).await.remove(0);
    assert_eq!((found.phase, found.account.as_str()), (DeliveryPhase::Withdrawing, "app"));
    assert_eq!((found.passwords.clone(), found.current), (None, None));
    let failed = DeliveryStep { attempts: 1, ..step(DeliveryPhase::Withdrawing, Some(15)) };
    assert!(store.record_delivery(&found, &failed, ALICE, None).await.unwrap());
    assert_eq!(store.delivery_backlog(9).await.unwrap().failing, 1);
    assert_eq!(due(&*store, &acme, at(14)).await, []);
    let found = due(&*store, &acme, at(15)).await.remove(0);
    let done = step(DeliveryPhase::Withdrawing, None);
    assert!(!store.record_delivery(&found, &done, BOB, None).await.unwrap());
    assert!(store.record_delivery(&found, &done, ALICE, None).await.unwrap());
    assert_eq!((left().await, store.delivery_backlog(9).await.unwrap()), (None, DeliveryBacklog::default()));
    assert_eq!(store.delete_instance(&acme, &instance, &authority()).await.unwrap(), Deletion::Deleted);
}

pub async fn an_account_made_again_takes_the_place_of_a_withdrawal(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, app, _) = with_endpoint(&*store).await;
    let name = account("r-1", "app");
    change_to_deliver(&*store, app, 1, 10).await;
    store.delete_subject(&acme, &name, &authority()).await.unwrap();
    let again = add_subject(&*store, &acme, name.clone()).await.id;
    assert!(store.withdrawal(&acme, &name).await.unwrap().is_some(), "it has no password yet");
    let mut first = change(again, None);
    first.deliver = Some(secret("b", "first"));
    store.commit(&first).await.unwrap();
    assert_eq!(store.withdrawal(&acme, &name).await.unwrap(), None);
    let found: Vec<_> = due(&*store, &acme, at(99)).await.into_iter().map(|due| (due.subject, due.phase)).collect();
    // No client has a right to the passwords of before: they are not left until every node has the new one.
    assert_eq!(found, [(again, DeliveryPhase::Replacing)]);

    // Nor if it is changed before every node has it.
    change_to_deliver(&*store, again, 1, 20).await;
    let found = due(&*store, &acme, at(99)).await.remove(0);
    assert_eq!((found.version, found.phase), (version(2), DeliveryPhase::Replacing));
    assert!(store.lease_endpoint(&acme, &instance_id("r-1"), ALICE, at(20), at(99)).await.unwrap().is_some());
    assert!(store.record_delivery(&found, &step(DeliveryPhase::Done, None), ALICE, None).await.unwrap());
    change_to_deliver(&*store, again, 2, 30).await;
    assert_eq!(due(&*store, &acme, at(99)).await.remove(0).phase, DeliveryPhase::Adding);
}
