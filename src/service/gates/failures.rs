//! The wrong passwords that count for a subject, as administrators list and clear them.

use super::attempts::{AttemptLimits, caller_key, name_key, subject_key};
use super::{Gates, SubjectPermit};
use crate::domain::action::Action;
use crate::domain::attempts::{Backoff, CallerKey, Failures, Forget, Pair, PairFailures, StoredFailures};
use crate::domain::names::Origin;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::error::Missing;
use crate::service::requests::{FailuresOfCaller, FailuresOnSubject};

impl Gates {
    /// The callers whose wrong passwords count for the subject; with an origin, those that gave it.
    pub(in crate::service) async fn failures(
        &self,
        permit: &SubjectPermit,
        origin: Option<&Origin>,
        page: &PageRequest,
    ) -> Result<FailuresOnSubject, ServiceError> {
        let subject = pair_for(permit, None)?;
        let settings = self.tenant_policies(permit.permit(), permit.tenant()).await?.settings;
        let limits = self.limits(permit.name().kind(), &settings);
        let now = self.now();
        let by_all = self.ports.store.failures(&subject).await?.counting(now, &limits.pair).by_all;
        let Page { items, next } = self.ports.store.pairs_with_failures(&subject, page).await?;
        let items = items.into_iter().filter(|pair| origin.is_none_or(|origin| has(pair, Some(origin))));
        let items = items.filter_map(|pair| listed(pair, &limits, now)).collect();
        Ok(FailuresOnSubject { page: Page { items, next }, by_all, slowed_until: end(&limits.subject, by_all, now) })
    }

    /// Clears the wrong passwords that count for the subject: of that caller, or of all. Returns whether there were any.
    pub(in crate::service) async fn clear_failures(
        &self,
        permit: &SubjectPermit,
        of: Option<CallerKey>,
    ) -> Result<bool, ServiceError> {
        let pair = pair_for(permit, of)?;
        let of = if of.is_some() { Forget::Pair(pair) } else { Forget::Subject(pair) };
        Ok(self.ports.store.clear_failures(&of, &self.subject_authority(permit)?).await?)
    }
}

/// The pair of the subject and that caller, or the one that asks.
fn pair_for(permit: &SubjectPermit, caller: Option<CallerKey>) -> Result<Pair, ServiceError> {
    let subject = permit.subject()?;
    let tenant = permit.permit().tenant().ok_or(ServiceError::NotFound(Missing::Tenant))?;
    let call = permit.call();
    Ok(Pair {
        subject: subject_key(subject.id),
        name: Some(name_key(tenant, &subject.name)),
        caller: caller.unwrap_or_else(|| caller_key(call.caller(), call.caller.action(), None)),
    })
}

/// The failures of a pair that count, if any do.
fn listed(pair: PairFailures, limits: &AttemptLimits, now: Timestamp) -> Option<FailuresOfCaller> {
    let stored = StoredFailures { by_caller: pair.failures, is_stopped: pair.is_stopped, ..StoredFailures::default() };
    let StoredFailures { by_caller, is_stopped, .. } = stored.counting(now, &limits.pair);
    let wait_until = if is_stopped { None } else { end(&limits.pair, by_caller, now) };
    let has_origin = pair.caller.is_some() && !has(&pair, None);
    let counts = is_stopped || by_caller.count > 0;
    counts.then_some(FailuresOfCaller { pair: PairFailures { is_stopped, ..pair }, has_origin, wait_until })
}

/// Whether the caller of the pair gave that origin. Resets, which are counted apart, have none.
fn has(pair: &PairFailures, origin: Option<&Origin>) -> bool {
    let is_of = |action| pair.caller.as_ref().is_some_and(|caller| caller_key(caller, action, origin) == pair.key);
    is_of(Action::VerifyPassword) || is_of(Action::ResetPassword)
}

/// When the wait after those failures ends, if one is running.
fn end(backoff: &Backoff, failures: Failures, now: Timestamp) -> Option<Timestamp> {
    let remaining = backoff.remaining(failures, now);
    (!remaining.is_zero()).then(|| now.after(remaining))
}
