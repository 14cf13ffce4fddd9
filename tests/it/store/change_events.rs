//! Every change is an event once it is made, in an order in which a reader misses none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use credentiald::domain::action::Action;
use credentiald::domain::attempts::Backoff;
use credentiald::domain::audit_event::{AuditEvent, AuditOutcome};
use credentiald::domain::change_event::{ChangeEvent, ChangeKind, KeptEvents, Position};
use credentiald::domain::names::TenantName;
use credentiald::domain::subject::SubjectId;
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::domain::time::days;
use credentiald::ports::Store;
use credentiald::ports::store::{CommitOutcome, Creation, Deletion};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

const START: Position = Position(0);

/// Gives positions to all events.
async fn number(store: &dyn Store) -> KeptEvents {
    loop {
        let numbered = store.number_change_events().await.unwrap();
        if !numbered.more {
            return numbered.kept;
        }
    }
}

/// The id of the tenant that has that name now.
pub async fn id_of(store: &dyn Store, tenant: &TenantName) -> TenantId {
    store.tenant(tenant).await.unwrap().map_or(TenantId(Uuid::nil()), |tenant| tenant.id)
}

/// What a reader after a position receives, and where it continues.
async fn read(store: &dyn Store, tenant: &TenantName, mut after: Position) -> (Vec<ChangeEvent>, Position) {
    let mut events = Vec::new();
    let tenant = id_of(store, tenant).await;
    loop {
        let page = store.change_events(tenant, after, 2).await.unwrap();
        assert!(page.kept.reaches_back_to(after), "{after:?} of {:?}", page.kept);
        assert!(page.events.iter().is_sorted_by(|one, other| one.0 < other.0));
        assert!(page.events.iter().all(|(position, _)| after < *position && *position <= page.up_to));
        after = page.up_to;
        if page.events.is_empty() {
            return (events, after);
        }
        events.extend(page.events.into_iter().map(|(_, event)| event));
    }
}

/// All events of a tenant.
pub async fn events_of(store: &dyn Store, tenant: &TenantName) -> Vec<ChangeEvent> {
    let kept = number(store).await;
    read(store, tenant, kept.after).await.0
}

async fn kinds(store: &dyn Store, tenant: &TenantName) -> Vec<ChangeKind> {
    events_of(store, tenant).await.into_iter().map(|event| event.kind).collect()
}

fn created(first: Option<u64>) -> ChangeKind {
    ChangeKind::Created { version: first.map(version) }
}

fn changed(number: u64) -> ChangeKind {
    ChangeKind::Changed { version: version(number), overlap_until: None }
}

/// Makes the change that follows `expected`, at a time.
async fn change_at(store: &dyn Store, subject: SubjectId, expected: u64, micros: i64) {
    let mut commit = change(subject, Some(expected));
    commit.at = at(micros);
    commit.authority.event.action = Action::ChangePassword;
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed(version(expected + 1)));
}

pub async fn each_change_has_its_event_and_nothing_else_has(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    let jane = add_subject(&*store, &acme, iam_user("jane")).await;
    let reader = add_subject_with_password(&*store, &acme, account("r-1", "reader")).await;
    let domain = add_subject_with_password(&*store, &acme, mail_domain("Example.com")).await;
    change_at(&*store, domain.id, 1, 7).await;
    let mut reset = change(domain.id, Some(2));
    reset.authority.event.action = Action::ResetPassword;
    assert_eq!(store.commit(&reset).await.unwrap(), CommitOutcome::Committed(version(3)));
    let mut wrong = event_of(AuditOutcome::WrongPassword);
    wrong.subject = Some(jane.id);
    for attempt in 1..=3 {
        wrong.id = uuid::Uuid::new_v4();
        store.record_failure(&pair(1, 1), at(attempt), &limit(), &wrong).await.unwrap();
    }
    let gone = authority();
    assert_eq!(store.delete_subject(&acme, &reader.name, &gone).await.unwrap(), Deletion::Deleted);

    // None of these changes a subject.
    assert_eq!(store.delete_subject(&acme, &reader.name, &authority()).await.unwrap(), Deletion::Absent);
    store.commit(&change(domain.id, Some(2))).await.unwrap();
    store.commit(&change(reader.id, Some(1))).await.unwrap();
    let again = change(domain.id, Some(3));
    store.replace_hash(domain.id, credentiald::domain::credential::Revision(3), &again.hash, DIGEST).await.unwrap();
    for _ in 1..=3 {
        store.record_failure(&pair(2, 1), at(1), &limit(), &event()).await.unwrap();
    }

    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events_of(&*store, &acme).await {
        assert_eq!(event.tenant, acme);
        found.entry(event.subject.0).or_default().push((event.name, event.id, event.at, event.kind));
    }
    let locked = ChangeKind::Locked { until: Some(at(3).after(Duration::from_secs(1))) };
    let expected = [
        (&jane, vec![(jane.id.0, at(5), created(None)), (wrong.id, at(3), locked)]),
        (
            &reader,
            vec![
                (found[&reader.id.0][0].1, at(5), created(Some(1))),
                (gone.event.id, gone.event.at, ChangeKind::Deleted),
            ],
        ),
        (
            &domain,
            vec![
                (found[&domain.id.0][0].1, at(5), created(Some(1))),
                (found[&domain.id.0][1].1, at(7), changed(2)),
                (reset.change_id.0, at(3), ChangeKind::Reset { version: version(3), overlap_until: None }),
            ],
        ),
    ];
    for (subject, events) in expected {
        let events: Vec<_> = events.into_iter().map(|(id, at, kind)| (subject.name.clone(), id, at, kind)).collect();
        assert_eq!(found.remove(&subject.id.0), Some(events));
    }
    assert!(found.is_empty());
}

pub async fn a_change_and_its_event_are_one(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let acme = tenant("acme");
    let mut commit = change(alice, Some(1));
    store.record(&commit.authority.event).await.unwrap();
    // An audit event of that id is there: the whole of it fails.
    store.commit(&commit).await.unwrap_err();
    store.delete_subject(&acme, &ram_user("alice"), &commit.authority).await.unwrap_err();
    assert_eq!(kinds(&*store, &acme).await, [created(Some(1))]);
    commit.authority.event = change(alice, Some(1)).authority.event;
    commit.authority.event.action = Action::ChangePassword;
    store.commit(&commit).await.unwrap();
    assert_eq!(kinds(&*store, &acme).await, [created(Some(1)), changed(2)]);
}

pub async fn a_clock_that_jumps_changes_no_order(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for (expected, micros) in [(1, 900), (2, -50), (3, 7_000_000), (4, 0)] {
        change_at(&*store, alice, expected, micros).await;
    }
    let expected = [created(Some(1)), changed(2), changed(3), changed(4), changed(5)];
    assert_eq!(kinds(&*store, &tenant("acme")).await, expected);
}

pub async fn another_tenants_events_are_not_found(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    for owner in [&acme, &globex] {
        add_subject(&*store, owner, ram_user("alice")).await;
    }
    add_subject(&*store, &globex, ram_user("bob")).await;
    assert_eq!(events_of(&*store, &acme).await.len(), 1);
    assert_eq!(events_of(&*store, &globex).await.len(), 2);

    for name in ["alice", "bob"] {
        store.delete_subject(&globex, &ram_user(name), &authority()).await.unwrap();
    }
    assert_eq!(store.delete_tenant(&globex, &authority()).await.unwrap(), Deletion::Deleted);
    let again = Tenant { id: TenantId(Uuid::new_v4()), ..new_tenant("globex", 1) };
    assert_eq!(store.create_tenant(&again, &authority()).await.unwrap(), Creation::Created);
    assert_eq!(events_of(&*store, &globex).await, [], "made again under the same name");
    assert_eq!(events_of(&*store, &acme).await.len(), 1);
}

pub async fn events_of_a_tenant_that_is_gone_are_removed_a_part_at_a_time(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    let subject = add_subject(&*store, &globex, ram_user("alice")).await;
    add_subject(&*store, &acme, ram_user("alice")).await;
    for number in 0..250 {
        for _ in 0..2 {
            let locked = AuditEvent { subject: Some(subject.id), ..event() };
            store.record_failure(&pair(1, number), at(1), &Backoff { allowance: 1, ..limit() }, &locked).await.unwrap();
        }
    }
    number(&*store).await;
    store.delete_subject(&globex, &ram_user("alice"), &authority()).await.unwrap();
    assert_eq!(store.delete_tenant(&globex, &authority()).await.unwrap(), Deletion::Deleted);

    let left = async || {
        let page = store.change_events(tenant_id(&globex), START, 1000).await.unwrap();
        page.events.len()
    };
    let mut counts = vec![left().await];
    while store.remove_old(at(0)).await.unwrap() {
        counts.push(left().await);
    }
    assert!(counts[0] >= 251 && counts.len() > 2 && counts.last() == Some(&0), "{counts:?}");
    assert!(counts.windows(2).all(|pair| pair[0] - pair[1] <= 200), "{counts:?}");
    assert_eq!(events_of(&*store, &acme).await.len(), 1);
}

pub async fn a_cursor_leads_on_after_reopening(backend: &mut impl Backend) {
    let alice = alice(&*backend.store()).await;
    let acme = tenant("acme");
    number(&*backend.store()).await;
    let (_, cursor) = read(&*backend.store(), &acme, START).await;
    change_at(&*backend.store(), alice, 1, 1).await;
    backend.reopen().await;
    let store = backend.store();
    change_at(&*store, alice, 2, 2).await;
    assert_eq!(read(&*store, &acme, cursor).await.0, [], "none has a position yet");
    number(&*store).await;
    let (events, _) = read(&*store, &acme, cursor).await;
    assert_eq!(events.into_iter().map(|event| event.kind).collect::<Vec<_>>(), [changed(2), changed(3)]);
}

pub async fn where_nothing_waits_no_position_is_given(backend: &mut impl Backend) {
    let store = backend.store();
    let none = number(&*store).await;
    assert_eq!(none, KeptEvents { after: START, last: START });
    alice(&*store).await;
    let some = number(&*store).await;
    assert!(some.last > none.last);
    assert_eq!(number(&*store).await, some);
}

pub async fn many_events_get_their_positions_a_part_at_a_time(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    for expected in 1..700 {
        change_at(&*store, alice, expected, 1).await;
    }
    assert!(store.number_change_events().await.unwrap().more);
    let expected: Vec<_> = std::iter::once(created(Some(1))).chain((2..=700).map(changed)).collect();
    assert_eq!(kinds(&*store, &tenant("acme")).await, expected);

    assert!(store.purge_change_events(at(i64::MAX)).await.unwrap(), "some are left");
    assert_eq!(kinds(&*store, &tenant("acme")).await, expected[500..]);
}

pub async fn what_is_old_is_removed_and_a_cursor_before_it_expires(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = alice(&*store).await;
    let acme = tenant("acme");
    let now = at(0).after(days(7));
    change_at(&*store, alice, 1, now.as_micros()).await;
    assert!(!store.purge_change_events(now).await.unwrap());
    let events = number(&*store).await;
    assert_eq!(events.after, START, "what has no position is not removed");

    let first = store.change_events(tenant_id(&acme), START, 1).await.unwrap();
    assert!(!store.purge_change_events(now).await.unwrap());
    assert_eq!(kinds(&*store, &acme).await, [changed(2)]);
    for (cursor, is_kept) in [(START, false), (first.up_to, true), (events.last, true), (Position(u64::MAX), false)] {
        let page = store.change_events(tenant_id(&acme), cursor, 10).await.unwrap();
        assert_eq!(page.kept.reaches_back_to(cursor), is_kept, "{cursor:?}");
    }
    // Where the newest is gone as well, the cursor after it still leads on.
    assert!(!store.purge_change_events(now.after(days(1))).await.unwrap());
    change_at(&*store, alice, 2, 1).await;
    number(&*store).await;
    let (left, _) = read(&*store, &acme, events.last).await;
    assert_eq!(left.into_iter().map(|event| event.kind).collect::<Vec<_>>(), [changed(3)]);
}

/// Readers that follow positions while writers race, several give positions, and some readers begin in between.
pub async fn who_follows_positions_misses_nothing_of_racing_writers(backend: &mut impl Backend) {
    const SUBJECTS: usize = 6;
    const VERSIONS: u64 = 25;
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let mut subjects = Vec::new();
    for number in 0..SUBJECTS {
        subjects.push(add_subject_with_password(&*store, &acme, ram_user(&format!("user-{number}"))).await.id);
    }
    let follow = |store: Arc<dyn Store>, acme: TenantName| async move {
        let (mut cursor, mut seen) = (START, BTreeMap::<_, Vec<_>>::new());
        while seen.len() < SUBJECTS || seen.values().any(|kinds: &Vec<_>| kinds.last() != Some(&changed(VERSIONS))) {
            let (events, next) = read(&*store, &acme, cursor).await;
            cursor = next;
            for event in events {
                seen.entry(event.subject.0).or_default().push(event.kind);
            }
            store.number_change_events().await.unwrap();
        }
        seen
    };
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for subject in subjects {
        let store = backend.store();
        writers.push(tokio::spawn(async move {
            for expected in 1..VERSIONS {
                change_at(&*store, subject, expected, 1).await;
            }
        }));
        readers.push(tokio::spawn(follow(backend.store(), acme.clone())));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    readers.push(tokio::spawn(follow(backend.store(), acme.clone())));
    let expected: Vec<_> = std::iter::once(created(Some(1))).chain((2..=VERSIONS).map(changed)).collect();
    for reader in readers {
        let seen = tokio::time::timeout(Duration::from_mins(1), reader).await.unwrap().unwrap();
        assert_eq!(seen.into_values().collect::<Vec<_>>(), vec![expected.clone(); SUBJECTS]);
    }
}
