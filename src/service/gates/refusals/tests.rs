use std::collections::HashMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::audit_event::AuditOutcome;
use crate::domain::names::FreeName;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn refusal(caller: u8, resource: &str, at: Timestamp) -> AuditEvent {
    AuditEvent {
        id: Uuid::nil(),
        at,
        request_id: Uuid::nil(),
        correlation_id: None,
        caller: Caller::Operator(FreeName::parse(&format!("caller-{caller}")).unwrap()),
        action: Action::CreateTenant,
        resource: resource.to_owned(),
        subject: None,
        tenant: None,
        process: None,
        policies: Vec::new(),
        outcome: AuditOutcome::Denied { repeats: None },
    }
}

/// Counts, with the store.
#[derive(Default)]
struct Recorded {
    counts: Counts,
    events: Vec<AuditEvent>,
}

impl Recorded {
    fn take_in(&mut self, event: AuditEvent) {
        match self.counts.take_in(&event) {
            Step::Counted => {}
            Step::First(first) => {
                first.set(true).unwrap();
                self.events.push(event);
            }
            Step::Alone => self.events.push(event),
        }
        self.events.extend(self.counts.ended.drain(..));
    }

    fn end_windows(&mut self, now: Option<Timestamp>) {
        self.counts.end_windows(now);
        self.events.extend(self.counts.ended.drain(..));
    }

    /// How many refusals all events together represent.
    fn stands_for(&self) -> usize {
        self.events.iter().map(|event| 1 + repeats(event).map_or(0, |repeats| repeats.count as usize)).sum()
    }
}

fn repeats(event: &AuditEvent) -> Option<Repeats> {
    event.outcome.repeats()
}

#[test]
fn the_first_refusal_is_recorded_and_its_repeats_are_one_event_when_the_window_is_over() {
    let mut recorded = Recorded::default();
    for second in [0, 5, 4, 59] {
        recorded.take_in(refusal(1, "a", at(second)));
    }
    recorded.end_windows(Some(at(59)));
    assert_eq!(recorded.events, [refusal(1, "a", at(0))]);

    recorded.end_windows(Some(at(60)));

    let repeats = Some(Repeats { count: 2, since: at(4) });
    let outcome = AuditOutcome::Denied { repeats };
    assert_eq!(recorded.events[1..], [AuditEvent { outcome, ..refusal(1, "a", at(59)) }]);
    // A new window begins, with an event; a single repeat is an event like any other.
    for second in [61, 62] {
        recorded.take_in(refusal(1, "a", at(second)));
    }
    recorded.end_windows(None);
    assert_eq!(recorded.events[2..], [refusal(1, "a", at(61)), refusal(1, "a", at(62))]);
    assert_eq!((recorded.counts.sorts, recorded.counts.of_callers.len()), (0, 0));
}

#[test]
fn one_caller_makes_so_many_events_in_a_window_however_many_resources_it_names() {
    let mut recorded = Recorded::default();
    for number in 0..1000 {
        recorded.take_in(refusal(1, &format!("resource-{number}"), at(number / 20)));
    }
    recorded.take_in(refusal(2, "resource-0", at(0)));
    recorded.end_windows(None);
    // Those that are distinguished, the first of the others, and all of the others.
    assert_eq!(recorded.events.len(), SORTS_OF_CALLER + 2 + 1);
    let last = recorded.events.last().unwrap();
    assert_eq!((last.resource.as_str(), repeats(last).unwrap().count), (SEVERAL, 1000 - 60 - 1 - 1));
    assert_eq!(recorded.stands_for(), 1001);
}

#[test]
fn a_refusal_without_room_is_recorded_alone() {
    let mut recorded = Recorded::default();
    recorded.counts.sorts = SORTS - 1;
    for _ in 0..3 {
        recorded.take_in(refusal(1, "a", at(0)));
        recorded.take_in(refusal(2, "b", at(0)));
    }
    assert_eq!(recorded.events.len(), 1 + 3);
}

#[test]
fn a_first_refusal_that_the_store_does_not_take_is_not_counted() {
    let mut counts = Counts::default();
    let Step::First(first) = counts.take_in(&refusal(1, "a", at(0))) else { panic!("it is the first") };
    // Another refusal waits for it meanwhile.
    let Step::First(waited_for) = counts.take_in(&refusal(1, "a", at(0))) else { panic!("it waits") };
    assert!(Arc::ptr_eq(&first, &waited_for));
    first.set(false).unwrap();
    let Step::First(next) = counts.take_in(&refusal(1, "a", at(1))) else { panic!("it is the first") };
    assert!(next.get().is_none());
}

proptest! {
    /// Whatever refusals arrive in whatever order, by a clock that jumps: each refusal is an event or counted in one,
    /// and a caller makes few events.
    #[test]
    fn all_events_together_stand_for_every_refusal(
        steps in prop::collection::vec((0_u8..3, 0_u8..90, -20_i64..30, any::<bool>()), 0..400),
    ) {
        let (mut recorded, mut now) = (Recorded::default(), 0);
        for &(caller, resource, later, ends) in &steps {
            now += later;
            recorded.take_in(refusal(caller, &format!("resource-{resource}"), at(now)));
            if ends {
                recorded.end_windows(Some(at(now)));
            }
        }
        recorded.end_windows(None);
        prop_assert_eq!(recorded.stands_for(), steps.len());
        prop_assert_eq!(recorded.counts.sorts, 0);
    }

    /// Concurrent refusals arrive a few seconds out of order.
    #[test]
    fn within_a_minute_a_caller_makes_few_events(
        calls in prop::collection::vec((0_u8..3, any::<u8>(), -4_i64..5), 0..2000),
    ) {
        let mut recorded = Recorded::default();
        for (number, &(caller, resource, apart)) in (0..).zip(&calls) {
            recorded.take_in(refusal(caller, &format!("resource-{resource}"), at(number / 40 + apart)));
        }
        recorded.end_windows(None);
        prop_assert_eq!(recorded.stands_for(), calls.len());
        let mut of_callers = HashMap::<_, usize>::new();
        recorded.events.iter().for_each(|event| *of_callers.entry(&event.caller).or_default() += 1);
        prop_assert!(of_callers.values().all(|count| *count <= 2 * (SORTS_OF_CALLER + 1)), "{:?}", of_callers);
    }
}
