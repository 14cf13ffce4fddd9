//! Wrong passwords are counted, and forgotten by whom they belong to.

use std::num::NonZeroU32;

use credentiald::domain::attempts::{
    Backoff, COUNTED_FOR, CallerKey, Failures, Forget, Pair, PairFailures, STOPPED_FOR, StoredFailures,
};
use credentiald::domain::audit_event::AuditOutcome;
use credentiald::domain::change_event::{ChangeKind, Position};
use credentiald::domain::time::days;
use futures_util::future::join_all;

use super::backend::Backend;
use super::values::*;

fn failures(count: u32, last_at: i64) -> Failures {
    Failures { count, last_at: Some(at(last_at)) }
}

pub async fn failures_count_per_caller_and_per_subject(backend: &mut impl Backend) {
    let store = backend.store();
    for (time, (subject, caller)) in [(1, 1), (1, 1), (1, 2), (2, 1)].into_iter().enumerate() {
        let time = i64::try_from(time).unwrap();
        store.record_failure(&pair(subject, caller), at(time), &limit(), &event()).await.unwrap();
    }
    for ((subject, caller), by_caller, by_all) in [
        ((1, 1), failures(2, 1), failures(3, 2)),
        ((1, 2), failures(1, 2), failures(3, 2)),
        ((1, 3), Failures::default(), failures(3, 2)),
        ((2, 1), failures(1, 3), failures(1, 3)),
        ((3, 1), Failures::default(), Failures::default()),
    ] {
        let stored = store.failures(&pair(subject, caller)).await.unwrap();
        assert_eq!(stored, StoredFailures { by_caller, by_all, is_stopped: false }, "{subject} {caller}");
    }
}

pub async fn forgetting_takes_only_the_callers_share(backend: &mut impl Backend) {
    let store = backend.store();
    for caller in [1, 1, 2] {
        store.record_failure(&pair(1, caller), at(9), &limit(), &event()).await.unwrap();
    }
    store.forget_failures(&pair(1, 3)).await.unwrap();
    store.forget_failures(&pair(1, 1)).await.unwrap();
    let left = store.failures(&pair(1, 2)).await.unwrap();
    assert_eq!(left, StoredFailures { by_caller: failures(1, 9), by_all: failures(1, 9), is_stopped: false });
    store.forget_failures(&pair(1, 1)).await.unwrap();
    store.forget_failures(&pair(1, 2)).await.unwrap();
    assert_eq!(store.failures(&pair(1, 2)).await.unwrap(), StoredFailures::default());
}

pub async fn failures_on_a_name_count_for_the_subject_that_has_it_now(backend: &mut impl Backend) {
    let store = backend.store();
    let (on_name, of_subject) = (pair(1, 1), Pair { name: Some(pair(1, 1).subject), ..pair(2, 1) });
    let stored = async |pair: &Pair| store.failures(pair).await.unwrap();
    for (time, pair) in [(1, &on_name), (2, &of_subject), (3, &pair(1, 2)), (4, &on_name)] {
        store.record_failure(pair, at(time), &limit(), &event()).await.unwrap();
    }
    let both = StoredFailures { by_caller: failures(3, 4), by_all: failures(4, 4), is_stopped: false };
    assert_eq!(stored(&of_subject).await, both);
    assert_eq!(stored(&pair(2, 1)).await.by_all, failures(1, 2), "the subject's own");

    store.forget_failures(&of_subject).await.unwrap();
    assert_eq!(stored(&of_subject).await, StoredFailures { by_all: failures(1, 4), ..StoredFailures::default() });

    store.record_failure(&of_subject, at(5), &limit(), &event()).await.unwrap();
    let id = alice(&*store).await;
    let mut reset = change(id, Some(1));
    reset.forget = Some(Forget::Subject(of_subject));
    store.commit(&reset).await.unwrap();
    assert_eq!(stored(&of_subject).await, StoredFailures::default());
}

pub async fn a_caller_is_locked_by_what_it_tried_on_the_name(backend: &mut impl Backend) {
    let store = backend.store();
    let id = alice(&*store).await;
    let of_subject = Pair { name: Some(pair(1, 1).subject), ..pair(2, 1) };
    let mut wrong = event_of(AuditOutcome::WrongPassword);
    wrong.subject = Some(id);
    for _ in 0..2 {
        store.record_failure(&pair(1, 1), at(1), &limit(), &event()).await.unwrap();
    }
    store.record_failure(&of_subject, at(2), &limit(), &wrong).await.unwrap();
    store.number_change_events().await.unwrap();
    let page = store.change_events(tenant_id(&tenant("acme")), Position(0), 10).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|(_, event)| event.kind).collect();
    assert_eq!(kinds.last(), Some(&ChangeKind::Locked { until: Some(at(1_000_002)) }), "{kinds:?}");
}

pub async fn what_is_more_than_a_week_old_is_removed(backend: &mut impl Backend) {
    let store = backend.store();
    for caller in 1..=9 {
        store.record_failure(&pair(1, caller), at(0), &limit(), &event()).await.unwrap();
    }
    let week = at(0).after(days(7));
    store.record_failure(&pair(1, 1), week, &limit(), &event()).await.unwrap();
    assert!(!store.remove_old_failures(week, COUNTED_FOR).await.unwrap());
    assert_eq!(store.failures(&pair(1, 1)).await.unwrap().by_all.count, 10, "a week old is not older than a week");

    assert!(!store.remove_old_failures(week.after(days(1)), COUNTED_FOR).await.unwrap());
    let left = store.failures(&pair(1, 1)).await.unwrap();
    assert_eq!((left.by_caller.count, left.by_all.count), (2, 2));
}

pub async fn what_is_more_than_a_week_old_does_not_count_though_it_is_still_there(backend: &mut impl Backend) {
    let store = backend.store();
    for (caller, time) in [(1, at(0)), (1, at(1)), (2, at(2)), (1, at(2).after(days(7)))] {
        store.record_failure(&pair(1, caller), time, &limit(), &event()).await.unwrap();
    }
    let left = store.failures(&pair(1, 1)).await.unwrap();
    assert_eq!((left.by_caller.count, left.by_all.count), (1, 2));
}

pub async fn what_is_old_is_removed_a_part_at_a_time(backend: &mut impl Backend) {
    let store = backend.store();
    for subject in 0..=200 {
        store.record_failure(&pair(subject, 1), at(i64::from(subject)), &limit(), &event()).await.unwrap();
    }
    let later = at(0).after(days(8));
    assert!(store.remove_old_failures(later, COUNTED_FOR).await.unwrap());
    assert_eq!(store.failures(&pair(199, 1)).await.unwrap(), StoredFailures::default());
    assert_eq!(store.failures(&pair(200, 1)).await.unwrap().by_all.count, 1);
    assert!(!store.remove_old_failures(later, COUNTED_FOR).await.unwrap());
    assert_eq!(store.failures(&pair(200, 1)).await.unwrap(), StoredFailures::default());
}

pub async fn waits_that_begin_later_than_now_begin_now(backend: &mut impl Backend) {
    let store = backend.store();
    let (on_name, of_subject) = (pair(1, 1), Pair { name: Some(pair(1, 1).subject), ..pair(2, 1) });
    let (other, of_other_subject) = (Pair { name: of_subject.name, ..pair(2, 2) }, pair(3, 1));
    for (time, pair) in [(8, &on_name), (9, &of_subject), (7, &other), (2, &other), (6, &of_other_subject)] {
        store.record_failure(pair, at(time), &limit(), &event()).await.unwrap();
    }
    let not_stopped = |by_caller, by_all| StoredFailures { by_caller, by_all, is_stopped: false };
    for (now, last) in [(10, [9, 8]), (9, [9, 8]), (5, [5, 5]), (6, [5, 5])] {
        store.restart_waits(&of_subject, at(now)).await.unwrap();
        let [of_both, on_name_alone] = last;
        let stored = store.failures(&of_subject).await.unwrap();
        assert_eq!(stored.by_caller, failures(2, of_both), "{now}");
        let stored = store.failures(&on_name).await.unwrap();
        assert_eq!(stored, not_stopped(failures(1, on_name_alone), failures(1, on_name_alone)), "{now}");
    }
    let stored = store.failures(&other).await.unwrap();
    assert_eq!(stored, not_stopped(failures(2, 2), failures(4, 5)), "another caller's wait has begun before");
    let stored = store.failures(&of_other_subject).await.unwrap();
    assert_eq!(stored, not_stopped(failures(1, 6), failures(1, 6)), "another subject's");
}

pub async fn a_stop_is_stored_and_outlasts_what_is_counted(backend: &mut impl Backend) {
    let store = backend.store();
    let id = alice(&*store).await;
    let mut wrong = event_of(AuditOutcome::WrongPassword);
    wrong.subject = Some(id);
    let limit = Backoff { stop_after: NonZeroU32::new(2), ..limit() };
    let of_subject = Pair { name: Some(pair(1, 1).subject), ..pair(2, 1) };
    store.record_failure(&pair(1, 1), at(1), &limit, &event()).await.unwrap();
    assert!(!store.failures(&of_subject).await.unwrap().is_stopped);
    store.record_failure(&of_subject, at(2), &limit, &wrong).await.unwrap();
    store.record_failure(&pair(2, 2), at(2), &limit, &event()).await.unwrap();
    // One that was under way when the pair was stopped.
    store.record_failure(&of_subject, at(2), &limit, &event()).await.unwrap();
    store.number_change_events().await.unwrap();
    let page = store.change_events(tenant_id(&tenant("acme")), Position(0), 10).await.unwrap();
    assert_eq!(page.events.last().map(|(_, event)| event.kind), Some(ChangeKind::Locked { until: None }));

    backend.reopen().await;
    let store = backend.store();
    // A failure that is recorded late ends no stop.
    for at in [at(2), at(2), at(2).after(days(8))] {
        store.record_failure(&pair(3, 1), at, &limit, &event()).await.unwrap();
    }
    assert!(store.failures(&pair(3, 1)).await.unwrap().is_stopped);
    // Those of the stopped pair slow no others: of the two that count, one is on the name.
    for (days_later, is_stopped, by_all) in [(0, true, 2), (8, true, 0), (400, true, 0), (401, false, 0)] {
        store.remove_old_failures(at(2).after(days(days_later)), COUNTED_FOR).await.unwrap();
        let stored = store.failures(&of_subject).await.unwrap();
        assert_eq!((stored.is_stopped, stored.by_all.count), (is_stopped, by_all), "{days_later} days later");
    }
}

pub async fn where_pairs_are_stopped_the_failures_of_one_that_is_not_count_as_long_as_a_stop(
    backend: &mut impl Backend,
) {
    let store = backend.store();
    let limit = Backoff { stop_after: NonZeroU32::new(3), counts_for: STOPPED_FOR, ..limit() };
    store.record_failure(&pair(1, 1), at(0), &limit, &event()).await.unwrap();
    let last = at(0).after(days(400));
    store.remove_old_failures(last, STOPPED_FOR).await.unwrap();
    let kept = store.failures(&pair(1, 1)).await.unwrap();
    assert_eq!((kept.by_caller.count, kept.by_all.count, kept.is_stopped), (1, 1, false));
    // The next one counts on, and for as long again.
    store.record_failure(&pair(1, 1), last, &limit, &event()).await.unwrap();
    for (later, count) in [(days(400), 2), (days(401), 0)] {
        store.remove_old_failures(last.after(later), STOPPED_FOR).await.unwrap();
        let stored = store.failures(&pair(1, 1)).await.unwrap();
        assert_eq!((stored.by_caller.count, stored.by_all.count), (count, count), "{later:?}");
    }
}

pub async fn of_one_subject_the_latest_pairs_and_those_that_failed_most_are_kept(backend: &mut impl Backend) {
    let store = backend.store();
    let stop = Backoff { stop_after: NonZeroU32::new(1), ..limit() };
    let fail = async |number: u16, time: i64, limit: &Backoff| {
        store.record_failure(&of_caller(number), at(time), limit, &event()).await.unwrap();
    };
    fail(0, 0, &stop).await;
    fail(1, 1, &limit()).await;
    fail(1, 2, &limit()).await;
    for number in 2..1002 {
        fail(number, (number + 1).into(), &limit()).await;
    }
    // Half of them are the latest. Of those that failed as often as each other, the others are the first.
    let expected = [(0, 1), (1, 2), (2, 1), (499, 1), (500, 0), (501, 0), (502, 1), (1001, 1)];
    for (number, by_caller) in expected {
        let stored = store.failures(&of_caller(number)).await.unwrap();
        assert_eq!((stored.by_caller.count, stored.by_all.count), (by_caller, 1000), "{number}");
        assert_eq!(stored.is_stopped, number == 0, "{number}");
    }
}

pub async fn as_many_stopped_pairs_as_are_kept_leave_room_for_new_ones(backend: &mut impl Backend) {
    let store = backend.store();
    let stop = Backoff { stop_after: NonZeroU32::new(1), ..limit() };
    for number in 0..1001 {
        store.record_failure(&of_caller(number), at(number.into()), &stop, &event()).await.unwrap();
    }
    for count in 1..=2 {
        store.record_failure(&of_caller(2000), at(2000), &limit(), &event()).await.unwrap();
        let stored = store.failures(&of_caller(2000)).await.unwrap();
        assert_eq!((stored.by_caller.count, stored.by_all.count), (count, count));
    }
}

/// One of many callers of one subject.
pub fn of_caller(number: u16) -> Pair {
    let mut caller = [0; 32];
    caller[..2].copy_from_slice(&number.to_be_bytes());
    Pair { caller: CallerKey(caller), ..pair(1, 1) }
}

pub async fn failures_are_listed_by_caller_a_page_at_a_time(backend: &mut impl Backend) {
    let store = backend.store();
    let of_subject = Pair { name: Some(pair(1, 1).subject), ..pair(2, 1) };
    let stop = Backoff { stop_after: NonZeroU32::new(1), ..limit() };
    for (pair, time, limit) in
        [(pair(1, 1), 1, limit()), (of_subject, 2, limit()), (pair(2, 2), 3, stop), (pair(1, 3), 4, limit())]
    {
        store.record_failure(&pair, at(time), &limit, &event()).await.unwrap();
    }
    store.record_failure(&pair(3, 4), at(5), &limit(), &event()).await.unwrap();
    let listed = |caller, count, last_at, is_stopped| PairFailures {
        key: pair(0, caller).caller,
        caller: Some(operator()),
        failures: failures(count, last_at),
        is_stopped,
    };
    let first = store.pairs_with_failures(&of_subject, &page(2, None)).await.unwrap();
    assert_eq!(first.items, [listed(1, 2, 2, false), listed(2, 1, 3, true)]);
    let second = store.pairs_with_failures(&of_subject, &page(2, first.next)).await.unwrap();
    assert_eq!((second.items, second.next), (vec![listed(3, 1, 4, false)], None));
    let other = store.pairs_with_failures(&pair(9, 1), &page(2, None)).await.unwrap();
    assert!(other.items.is_empty());
}

pub async fn failures_are_cleared_of_one_caller_or_of_all_with_an_audit_event(backend: &mut impl Backend) {
    let store = backend.store();
    let of_subject = |caller| Pair { name: Some(pair(1, 1).subject), ..pair(2, caller) };
    for pair in [pair(1, 1), of_subject(1), of_subject(2), of_subject(3)] {
        store.record_failure(&pair, at(1), &limit(), &event()).await.unwrap();
    }
    let before = backend.audit_events().await.len();
    let cleared = authority();
    assert!(store.clear_failures(&Forget::Pair(of_subject(1)), &cleared).await.unwrap());
    assert!(!store.clear_failures(&Forget::Pair(of_subject(1)), &authority()).await.unwrap(), "none is left");
    let left = StoredFailures { by_all: failures(2, 1), ..StoredFailures::default() };
    assert_eq!(store.failures(&of_subject(1)).await.unwrap(), left);
    assert_eq!(store.failures(&of_subject(2)).await.unwrap().by_caller, failures(1, 1));
    assert!(store.clear_failures(&Forget::Subject(of_subject(9)), &authority()).await.unwrap());
    assert_eq!(store.failures(&of_subject(2)).await.unwrap(), StoredFailures::default());
    let events = backend.audit_events().await;
    assert_eq!((events.len(), events[before]), (before + 2, cleared.event.id));
}

pub async fn a_wrong_password_and_its_audit_event_are_one(backend: &mut impl Backend) {
    let store = backend.store();
    let recorded = event();
    store.record_failure(&pair(1, 1), at(1), &limit(), &recorded).await.unwrap();
    assert_eq!(backend.audit_events().await, [recorded.id]);
    store.record_failure(&pair(1, 1), at(2), &limit(), &recorded).await.unwrap_err();
    assert_eq!(store.failures(&pair(1, 1)).await.unwrap().by_all, failures(1, 1));

    let denied = event_of(AuditOutcome::Denied { repeats: None });
    store.record(&denied).await.unwrap();
    assert_eq!(backend.audit_events().await, [recorded.id, denied.id]);
}

pub async fn decisions_recorded_at_once_stand_each_for_itself(backend: &mut impl Backend) {
    let store = backend.store();
    let denied = || event_of(AuditOutcome::Denied { repeats: None });
    let events: Vec<_> = (0..200).map(|_| denied()).collect();
    let twice = &events[100];
    store.record(twice).await.unwrap();
    let recorded = join_all(events.iter().map(|event| store.record(event))).await;
    let failed: Vec<_> = events.iter().zip(recorded).filter(|(_, recorded)| recorded.is_err()).collect();
    assert_eq!(failed.iter().map(|(event, _)| event.id).collect::<Vec<_>>(), [twice.id]);
    let mut expected: Vec<_> = events.iter().map(|event| event.id).collect();
    let mut found = backend.audit_events().await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}
