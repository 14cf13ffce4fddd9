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
use credentiald::ports::store::UnreadableEvent;
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
        found.extend(page.events.into_iter().map(|(_, event)| event.unwrap()).filter(|event| filter.matches(event)));
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
    while let Some(range) = store.audit_range(check.last).await.unwrap() {
        check.range(&range.checkpoint, &range.events).unwrap();
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
        AuditOutcome::TakenOver,
        AuditOutcome::Delivered { version: version(3) },
        AuditOutcome::Drifted,
        AuditOutcome::Withdrawn,
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

/// Otherwise an event that an attacker put in the place of another would be covered by a signed cut.
pub async fn no_cut_is_signed_over_events_that_are_not_those_of_their_ranges(backend: &mut impl Backend) {
    let store = backend.store();
    for number in 1..=3 {
        record_alone(&*store, at(number)).await;
    }
    let cut = store.audit_cut().await.unwrap();
    let kept = backend.audit_events().await;
    backend.try_statement("DELETE FROM audit_event WHERE position = 2").await.unwrap();
    let error = store.remove_old_audit_events(at(1000), &Mirror).await.unwrap_err();
    assert!(error.to_string().contains("positions 2 to 2: an event is missing, added or moved"), "{error}");
    let forged = "INSERT INTO audit_event (id, at, request_id, caller_kind, caller_name, action, resource, outcome, position)
         SELECT '00000000-0000-4000-8000-000000000000', at, request_id, caller_kind, caller_name, action, resource, outcome, 2
         FROM audit_event WHERE position = 1";
    backend.try_statement(forged).await.unwrap();
    let error = store.remove_old_audit_events(at(1000), &Mirror).await.unwrap_err();
    assert!(error.to_string().contains("positions 2 to 2: an event or the checkpoint was altered"), "{error}");
    assert_eq!(store.audit_cut().await.unwrap(), cut);
    assert_eq!(backend.audit_events().await.len(), kept.len(), "nothing is removed");
}

/// As a later version may write one, or as an attacker may damage one.
pub async fn an_event_that_can_not_be_read_is_in_its_place_and_stops_no_other(backend: &mut impl Backend) {
    let store = backend.store();
    let unreadable = "INSERT INTO audit_event (id, at, request_id, caller_kind, caller_name, action, resource, outcome)
         VALUES ('00000000-0000-4000-8000-000000000000', 2, 'x', 'operator', 'boss', 'admin:New', 'installation', 'done')";
    record(&*store, AuditEvent { at: at(1), ..event() }).await;
    backend.try_statement(unreadable).await.unwrap();
    let last = record(&*store, AuditEvent { at: at(3), ..event() }).await;
    close(&*store).await;
    let range = store.audit_range(Position(0)).await.unwrap().unwrap();
    assert_eq!((range.unreadable, range.events[1].1["action"].as_str()), (vec![Position(2)], "admin:New"));
    assert_eq!(check(&*store).await, Position(3));
    let events = store.audit_events(&AuditFilter::default(), Position(0), 10).await.unwrap().events;
    assert_eq!(events[1..], [(Position(2), Err(UnreadableEvent { tenant: None })), (Position(3), Ok(last))]);
    assert!(!store.remove_old_audit_events(at(1000), &Mirror).await.unwrap());
    assert_eq!(backend.audit_events().await.len(), 0);
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
