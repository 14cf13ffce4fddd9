//! What the audit log holds, in which order, and how long.

use std::collections::BTreeSet;

use credentiald::ambient::SystemClock;
use credentiald::domain::audit_chain::{ChainCheck, Seal, SealVerdict};
use credentiald::domain::audit_event::{AuditEvent, AuditOutcome, Repeats};
use credentiald::domain::audit_filter::AuditFilter;
use credentiald::domain::caller::Caller;
use credentiald::domain::change_event::Position;
use credentiald::domain::credential::ChangeId;
use credentiald::domain::named_caller::NamedCaller;
use credentiald::domain::names::FreeName;
use credentiald::domain::subject::SubjectId;
use credentiald::domain::time::{Timestamp, days};
use credentiald::ports::{AuditSealer, Clock, Store, Unsealed};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

/// Seals with what it seals, so that every seal can be checked.
struct Mirror;

impl AuditSealer for Mirror {
    fn seal(&self, bytes: &[u8]) -> Option<Seal> {
        Some(Seal { key: FreeName::parse("mirror").unwrap(), signature: bytes.to_vec() })
    }
}

async fn record(store: &dyn Store, event: AuditEvent) -> AuditEvent {
    store.record(&event).await.unwrap();
    event
}

async fn close(store: &dyn Store) {
    while store.close_audit_range(at(77), &Mirror).await.unwrap() {}
}

/// Records an event of that time, in a range of its own.
async fn record_alone(store: &dyn Store, time: Timestamp) -> Uuid {
    let event = record(store, AuditEvent { at: time, ..event() }).await;
    close(store).await;
    event.id
}

/// Every event that is kept, in order.
async fn all(store: &dyn Store) -> Vec<AuditEvent> {
    matching(store, &AuditFilter::default()).await
}

async fn matching(store: &dyn Store, filter: &AuditFilter) -> Vec<AuditEvent> {
    let (mut after, mut found) = (Position(0), Vec::new());
    loop {
        let page = store.audit_events(filter, after, 3).await.unwrap();
        found.extend(page.events.into_iter().map(|(_, event)| event).filter(|event| filter.matches(event)));
        if page.up_to == after {
            return found;
        }
        after = page.up_to;
    }
}

/// Walks the chain from its beginning, and returns the last position.
async fn check(store: &dyn Store) -> Position {
    let verdict = |bytes: &[u8], seal: &Seal| {
        if seal.signature == bytes { SealVerdict::Valid } else { SealVerdict::Invalid }
    };
    let mut check = ChainCheck::after(&store.audit_cut().await.unwrap(), Some(Position(0)), verdict).unwrap();
    while let Some((checkpoint, events)) = store.audit_range(check.last).await.unwrap() {
        let fields: Vec<_> = events.iter().map(|(position, event)| (*position, event.fields())).collect();
        check.range(&checkpoint, &fields).unwrap();
    }
    check.end().unwrap().last
}

pub async fn every_outcome_is_read_back_with_all_that_it_has(backend: &mut impl Backend) {
    let store = backend.store();
    let repeats = Some(Repeats { count: 7, since: at(1) });
    let outcomes = [
        AuditOutcome::Done,
        AuditOutcome::Changed { change_id: ChangeId(Uuid::new_v4()), version: version(3) },
        AuditOutcome::Imported { subjects: 5, unchanged: 2 },
        AuditOutcome::Denied { repeats: None },
        AuditOutcome::Denied { repeats },
        AuditOutcome::Throttled { repeats: None },
        AuditOutcome::Throttled { repeats },
        AuditOutcome::WrongPassword,
        AuditOutcome::Undecided,
    ];
    let words: BTreeSet<_> = outcomes.iter().map(AuditOutcome::as_str).collect();
    assert_eq!(words, AuditOutcome::WORDS.into(), "an outcome is missing here");
    let mut expected = Vec::new();
    for (time, outcome) in (1..).zip(outcomes) {
        let mut event = AuditEvent { at: at(time), ..event_of(outcome) };
        event.subject = (time % 2 == 0).then(|| SubjectId(Uuid::new_v4()));
        expected.push(record(&*store, event).await);
    }
    let bare = AuditEvent {
        at: at(99),
        correlation_id: None,
        tenant: None,
        process: None,
        policies: Vec::new(),
        caller: Caller::RamUser(
            tenant("acme"),
            credentiald::domain::names::RamUserName::parse("jane").unwrap(),
            SubjectId(Uuid::new_v4()),
        ),
        ..event()
    };
    expected.push(record(&*store, bare).await);
    close(&*store).await;

    assert_eq!(all(&*store).await, expected);
    backend.reopen().await;
    assert_eq!(all(&*backend.store()).await, expected);
}

pub async fn events_are_found_by_all_that_they_can_be_filtered_by(backend: &mut impl Backend) {
    let store = backend.store();
    let alice = SubjectId(Uuid::new_v4());
    let acme = Some(tenant_id(&tenant("acme")));
    let root = |name| Caller::Root(tenant(name));
    let relay = Caller::Service(tenant("acme"), FreeName::parse("boss").unwrap());
    let events = [
        AuditEvent { at: at(10), tenant: None, ..event() },
        AuditEvent { at: at(20), caller: root("acme"), subject: Some(alice), ..event() },
        AuditEvent { at: at(30), caller: root("globex"), tenant: None, ..event_of(AuditOutcome::WrongPassword) },
        AuditEvent { at: at(40), caller: relay, subject: Some(alice), ..event_of(AuditOutcome::WrongPassword) },
        AuditEvent { at: at(50), ..repeated_refusal() },
    ];
    for event in &events {
        record(&*store, event.clone()).await;
    }
    close(&*store).await;
    let caller = |name| Some(NamedCaller::parse_shown(name).unwrap());
    let filter = AuditFilter::default;
    let table = [
        (filter(), vec![10, 20, 30, 40, 50]),
        (AuditFilter { tenant: acme, ..filter() }, vec![20, 40, 50]),
        (AuditFilter { subject: Some(alice), ..filter() }, vec![20, 40]),
        (AuditFilter { caller: caller("-/operator/boss"), ..filter() }, vec![10, 50]),
        (AuditFilter { caller: caller("acme/service/boss"), ..filter() }, vec![40]),
        (AuditFilter { caller: caller("acme/root/root"), ..filter() }, vec![20]),
        (AuditFilter { outcome: Some("wrong-password"), ..filter() }, vec![30, 40]),
        (AuditFilter { outcome: Some("wrong-password"), tenant: acme, ..filter() }, vec![40]),
        (AuditFilter { from: Some(at(20)), until: Some(at(40)), ..filter() }, vec![20, 30]),
        (AuditFilter { subject: Some(SubjectId(Uuid::new_v4())), ..filter() }, vec![]),
    ];
    for (filter, expected) in table {
        let found = matching(&*store, &filter).await;
        let times: Vec<_> = found.iter().map(|event| event.at.as_micros()).collect();
        assert_eq!(times, expected, "{filter:?}");
    }
}

pub async fn a_time_leads_to_a_position_before_which_all_is_older(backend: &mut impl Backend) {
    let store = backend.store();
    assert_eq!(store.audit_position_before(at(5)).await.unwrap(), Position(0));
    // The clock of one process is ahead.
    for time in [10, 50, 20, 60] {
        record_alone(&*store, at(time)).await;
    }
    for (time, position) in [(0, 0), (10, 0), (11, 1), (20, 1), (50, 1), (51, 3), (60, 3), (61, 4)] {
        assert_eq!(store.audit_position_before(at(time)).await.unwrap(), Position(position), "{time}");
    }
}

pub async fn every_event_gets_its_place_in_the_chain_once(backend: &mut impl Backend) {
    let store = backend.store();
    assert!(!store.close_audit_range(at(1), &Mirror).await.unwrap());
    assert_eq!(check(&*store).await, Position(0));
    // More than fit into a range, recorded by several at once, while two close ranges.
    let writers = (0..4).map(|_| {
        let store = backend.store();
        tokio::spawn(async move {
            for _ in 0..150 {
                store.record(&event()).await.unwrap();
            }
        })
    });
    let closers = (0..2).map(|_| {
        let store = backend.store();
        tokio::spawn(async move {
            for _ in 0..20 {
                // One that loses against the other tries again later.
                let _ = store.close_audit_range(at(1), &Mirror).await;
            }
        })
    });
    for task in writers.chain(closers).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    close(&*store).await;
    assert_eq!(check(&*store).await, Position(600));
    let ids: BTreeSet<_> = all(&*store).await.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, backend.audit_events().await.into_iter().collect());
}

pub async fn old_audit_events_are_removed_the_oldest_first_and_the_chain_stays_sound(backend: &mut impl Backend) {
    let store = backend.store();
    let limit = at(1_000_000);
    for number in 0..1201 {
        record(&*store, AuditEvent { at: at(number), ..event() }).await;
    }
    close(&*store).await;
    let kept = record_alone(&*store, limit).await;
    assert_eq!(backend.audit_events().await.len(), 1202);

    assert!(!store.remove_old_audit_events(at(499), &Mirror).await.unwrap(), "a range goes as a whole");
    assert_eq!(backend.audit_events().await.len(), 1202);
    assert!(store.remove_old_audit_events(limit, &Mirror).await.unwrap());
    assert_eq!(backend.audit_events().await.len(), 702);
    assert_eq!(check(&*store).await, Position(1202));
    while store.remove_old_audit_events(limit, &Mirror).await.unwrap() {}
    assert_eq!(backend.audit_events().await, [kept]);
    assert_eq!((store.audit_cut().await.unwrap().last, check(&*store).await), (Position(1201), Position(1202)));
    record_alone(&*store, limit).await;
    assert_eq!(check(&*store).await, Position(1203));
}

/// The protection goes by the clock of the database, so that neither a clock of ours that runs ahead nor a statement of who
/// runs the service removes what is recent.
pub async fn a_recent_audit_event_is_neither_removed_nor_changed(backend: &mut impl Backend) {
    let (store, now) = (backend.store(), SystemClock.now());
    let old = record_alone(&*store, now.before(days(31))).await;
    let recent = record_alone(&*store, now.before(days(29))).await;

    let error = store.remove_old_audit_events(now.after(days(500)), &Unsealed).await.unwrap_err();
    let cause = format!("{error:?}");
    assert!(cause.contains("before 30 days"), "{cause}");
    for statement in [
        "DELETE FROM audit_event",
        "UPDATE audit_event SET at = 0",
        "UPDATE audit_event SET repeats = 1",
        "UPDATE audit_event SET process = 'x'",
        "UPDATE audit_event SET position = position + 10",
        "UPDATE audit_event SET position = NULL",
    ] {
        backend.try_statement(statement).await.expect_err(statement);
    }
    assert_eq!(backend.audit_events().await, [old, recent]);

    assert!(!store.remove_old_audit_events(now.before(days(30)), &Unsealed).await.unwrap());
    assert_eq!(backend.audit_events().await, [recent]);
}
