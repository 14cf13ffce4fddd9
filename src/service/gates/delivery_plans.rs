//! What to set on the nodes for each delivery, and when to try again.

use std::time::Duration;

use super::Gates;
use crate::domain::delivery::{DeliveredPasswords, DeliveryPhase, DeliveryStep, DueDelivery};
use crate::domain::endpoint::{Comparison, Endpoint};
use crate::domain::sealed::SealPurpose;
use crate::domain::time::Timestamp;
use crate::ports::{AccountPasswords, Others};

/// The first pause after an attempt that failed. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

impl Gates {
    /// What to set on each node, and what becomes of the delivery then; or what became of it already.
    pub(super) fn plan(
        &self,
        due: &DueDelivery,
        endpoint: &Endpoint,
    ) -> Result<(AccountPasswords, DeliveryPhase, Option<Timestamp>), DeliveryStep> {
        let comparison = endpoint.comparison;
        let over = |phase, failure| DeliveryStep {
            phase,
            due_at: None,
            attempts: 0,
            nodes: 0,
            reached: 0,
            failure,
            drift: None,
        };
        // The endpoint was set after it.
        if due.account.as_str() == endpoint.user.as_str() {
            let is_withdrawn = due.phase == DeliveryPhase::Withdrawing;
            let phase = if is_withdrawn { DeliveryPhase::Withdrawing } else { DeliveryPhase::Superseded };
            return Err(over(phase, Some("it is the endpoint's own user, whose password is not delivered".to_owned())));
        }
        if due.phase == DeliveryPhase::Withdrawing {
            let passwords = AccountPasswords { account: due.account.clone(), others: Others::Go, digests: Vec::new() };
            return Ok((passwords, DeliveryPhase::Withdrawing, None));
        }
        let sealed = due.passwords.as_ref().filter(|_| due.current == Some(due.version));
        let sealed = sealed.ok_or_else(|| over(DeliveryPhase::Superseded, None))?;
        let bound = DeliveredPasswords::seal_bound(due.subject, due.version);
        let opened = self.ports.pepper.unseal(SealPurpose::DeliveredPasswords, &bound, sealed);
        // Its key may come back.
        let opened = opened.map_err(|problem| self.failed(due, [0, 0], format!("the password {problem}")))?;
        let DeliveredPasswords { current, previous } = DeliveredPasswords::parse(&opened)
            .ok_or_else(|| over(DeliveryPhase::Superseded, Some("the password can't be understood".to_owned())))?;
        let (account, now) = (due.account.clone(), self.now());
        if due.phase == DeliveryPhase::Adding {
            let passwords = AccountPasswords { account, others: Others::Stay, digests: vec![current] };
            return Ok((passwords, DeliveryPhase::Settling, Some(now)));
        }
        let is_compared = due.phase == DeliveryPhase::Done;
        let others = match comparison {
            None if is_compared => return Err(over(DeliveryPhase::Done, None)),
            Some(Comparison { mends: false, .. }) if is_compared => Others::AreFound,
            _ => Others::Go,
        };
        let overlap = due.overlap.filter(|window| window.is_open(now) && !is_compared);
        let exactly = |digests| AccountPasswords { account, others, digests };
        Ok(match (overlap, previous) {
            (Some(window), Some(previous)) => {
                (exactly(vec![current, previous]), DeliveryPhase::Overlapping, Some(window.end()))
            }
            // A reset that keeps the previous password does not know it: the nodes do, but maybe beside those of a deleted account.
            (Some(window), None) if due.phase != DeliveryPhase::Replacing => {
                let passwords = AccountPasswords { others: Others::Stay, ..exactly(vec![current]) };
                (passwords, DeliveryPhase::Overlapping, Some(window.end()))
            }
            _ => {
                let next = comparison.map(|comparison| now.after(comparison.every));
                (exactly(vec![current]), DeliveryPhase::Done, next)
            }
        })
    }

    /// An attempt that failed, of which so many nodes were reached.
    pub(super) fn failed(&self, due: &DueDelivery, [nodes, reached]: [u32; 2], failure: String) -> DeliveryStep {
        let attempts = due.attempts.saturating_add(1);
        DeliveryStep {
            // What was settled before may no longer be.
            phase: if due.phase == DeliveryPhase::Overlapping { DeliveryPhase::Settling } else { due.phase },
            due_at: Some(self.now().after(self.pause_after(attempts))),
            attempts,
            nodes,
            reached,
            failure: Some(failure),
            drift: None,
        }
    }

    /// The pause after so many attempts that failed in a row: doubled each time up to a limit, less up to a half at random.
    fn pause_after(&self, attempts: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        let [random] = self.random();
        doubled.saturating_sub(doubled * u32::from(random) / 512)
    }
}
