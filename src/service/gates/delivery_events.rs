//! What the audit log has of deliveries: that one is complete, that a node differs, that nothing is left to withdraw; not each
//! attempt.

use uuid::Uuid;

use super::Gates;
use super::delivery::Round;
use crate::domain::action::Action;
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::caller::Caller;
use crate::domain::delivery::{DeliveryPhase, DeliveryStep, DueDelivery};
use crate::domain::endpoint::Comparison;
use crate::domain::names::FreeName;
use crate::domain::resource::Resource;
use crate::domain::subject::{SubjectName, Tags};

/// The name by which the service is the caller of these events.
const CALLER: &str = "delivery";

impl Gates {
    /// The audit event of what an attempt made of a delivery, if it is one to be recorded.
    pub(super) fn delivery_event(&self, round: &Round, due: &DueDelivery, step: &DeliveryStep) -> Option<AuditEvent> {
        let (action, outcome) = decided(due, step, round.leased.endpoint.comparison)?;
        let resource = Resource::Subject {
            tenant: round.tenant.clone(),
            name: SubjectName::account(round.instance.clone(), due.account.clone()),
            region: Some(due.region.clone()),
            status: None,
            tags: Tags::new(),
        };
        Some(AuditEvent {
            id: self.new_id(),
            at: self.now(),
            request_id: Uuid::nil(),
            correlation_id: None,
            caller: Caller::Operator(FreeName::parse(CALLER).ok()?),
            action,
            resource: resource.to_string(),
            subject: Some(due.subject),
            tenant: Some(due.tenant),
            process: self.process(),
            policies: Vec::new(),
            outcome,
        })
    }
}

/// What is to be recorded of a step, and for which action the service took it.
fn decided(due: &DueDelivery, step: &DeliveryStep, comparison: Option<Comparison>) -> Option<(Action, AuditOutcome)> {
    match (due.phase, step.phase) {
        (DeliveryPhase::Withdrawing, _) => (step.due_at.is_none() && step.failure.is_none())
            .then_some((Action::DeleteInstanceAccount, AuditOutcome::Withdrawn)),
        (before, now @ (DeliveryPhase::Overlapping | DeliveryPhase::Done)) if before != now => {
            Some((Action::ModifyAccountPassword, AuditOutcome::Delivered { version: due.version }))
        }
        _ => {
            let (at, node) = step.drift.as_ref()?;
            let Comparison { every, mends } = comparison?;
            // What is not mended is found again each time.
            let is_known = due
                .drift
                .as_ref()
                .is_some_and(|(before, known)| !mends && known == node && *at <= before.after(every.saturating_mul(2)));
            (!is_known).then_some((Action::SetInstanceEndpoint, AuditOutcome::Drifted))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::credential::Version;
    use crate::domain::names::{AccountName, Region};
    use crate::domain::subject::SubjectId;
    use crate::domain::tenant::TenantId;
    use crate::domain::time::Timestamp;

    fn due(phase: DeliveryPhase) -> DueDelivery {
        DueDelivery {
            subject: SubjectId(Uuid::nil()),
            account: AccountName::parse("app").unwrap(),
            tenant: TenantId(Uuid::nil()),
            region: Region::parse("cn-hangzhou").unwrap(),
            version: Version::FIRST,
            revision: 0,
            passwords: None,
            phase,
            attempts: 0,
            current: None,
            overlap: None,
            drift: None,
        }
    }

    fn step(phase: DeliveryPhase, due_at: Option<Timestamp>) -> DeliveryStep {
        DeliveryStep { phase, due_at, attempts: 0, nodes: 1, reached: 1, failure: None, drift: None }
    }

    #[test]
    fn what_is_complete_is_recorded_once_and_no_attempt_before() {
        use DeliveryPhase::{Adding, Done, Overlapping, Replacing, Settling, Superseded, Withdrawing};
        let (later, over) = (Some(Timestamp::from_micros(9)), None);
        for (before, now, due_at, expected) in [
            (Adding, Adding, later, None),
            (Adding, Settling, later, None),
            (Settling, Settling, later, None),
            (Settling, Overlapping, later, Some("delivered")),
            (Overlapping, Overlapping, later, None),
            (Overlapping, Done, over, Some("delivered")),
            (Settling, Done, over, Some("delivered")),
            (Replacing, Replacing, later, None),
            (Replacing, Done, over, Some("delivered")),
            (Done, Done, later, None),
            (Adding, Superseded, over, None),
            (Withdrawing, Withdrawing, later, None),
            (Withdrawing, Withdrawing, over, Some("withdrawn")),
        ] {
            let decided = decided(&due(before), &step(now, due_at), None);
            assert_eq!(decided.map(|(_, outcome)| outcome.as_str()), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_node_that_goes_on_to_differ_is_recorded_once() {
        let at = |minutes: i64| Timestamp::from_micros(minutes * 60_000_000);
        let found = |before: Option<(i64, &str)>, minute, mends| {
            let before = before.map(|(minute, node)| (at(minute), node.to_owned()));
            let due = DueDelivery { drift: before, ..due(DeliveryPhase::Done) };
            let drift = Some((at(minute), "a:1".to_owned()));
            let step = DeliveryStep { drift, ..step(DeliveryPhase::Done, Some(at(99))) };
            let comparison = Comparison { every: Duration::from_mins(1), mends };
            decided(&due, &step, Some(comparison)).is_some()
        };
        assert!(found(None, 10, false));
        assert!(!found(Some((9, "a:1")), 10, false));
        assert!(found(Some((9, "b:1")), 10, false), "another node");
        assert!(found(Some((7, "a:1")), 10, false), "it did not differ in between");
        assert!(found(Some((9, "a:1")), 10, true), "it was mended");
    }
}
