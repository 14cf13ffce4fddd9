//! How long audit events are kept.

use credentiald::ambient::SystemClock;
use credentiald::domain::audit_event::AuditEvent;
use credentiald::domain::time::{Timestamp, days};
use credentiald::ports::{Clock, Store};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

async fn record(store: &dyn Store, at: Timestamp) -> Uuid {
    let event = AuditEvent { at, ..event() };
    store.record(&event).await.unwrap();
    event.id
}

pub async fn old_audit_events_are_removed_the_oldest_first_and_a_part_at_a_time(backend: &mut impl Backend) {
    let store = backend.store();
    let limit = at(1_000_000);
    let kept = record(&*store, limit).await;
    for number in (0..201).rev() {
        record(&*store, at(number)).await;
    }
    assert_eq!(backend.audit_events().await.len(), 202);

    assert!(store.remove_old_audit_events(limit).await.unwrap());
    let left = backend.audit_events().await;
    assert_eq!(left.len(), 2);
    assert!(!store.remove_old_audit_events(at(200)).await.unwrap());
    assert_eq!(backend.audit_events().await, left, "the one that is left is the youngest of them");

    assert!(!store.remove_old_audit_events(limit).await.unwrap());
    assert_eq!(backend.audit_events().await, [kept]);
}

/// The protection goes by the clock of the database, so that neither a clock of ours that runs ahead nor a statement of who
/// runs the service removes what is recent.
pub async fn a_recent_audit_event_is_neither_removed_nor_changed(backend: &mut impl Backend) {
    let (store, now) = (backend.store(), SystemClock.now());
    let old = record(&*store, now.before(days(31))).await;
    let recent = record(&*store, now.before(days(29))).await;

    let error = store.remove_old_audit_events(now.after(days(500))).await.unwrap_err();
    let cause = format!("{error:?}");
    assert!(cause.contains("before 30 days"), "{cause}");
    for statement in ["DELETE FROM audit_event", "UPDATE audit_event SET at = 0", "UPDATE audit_event SET repeats = 1"]
    {
        backend.try_statement(statement).await.expect_err(statement);
    }
    assert_eq!(backend.audit_events().await, [old, recent]);

    assert!(!store.remove_old_audit_events(now.before(days(30))).await.unwrap());
    assert_eq!(backend.audit_events().await, [recent]);
}
