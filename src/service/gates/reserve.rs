//! The attempt that is reserved on what was loaded.

use std::sync::Arc;

use super::Gates;
use super::attempts::{AttemptLimits, ReadFailures, Slot, caller_key};
use super::candidate::Candidate;
use super::held::{FailedAttempt, not_recorded};
use crate::domain::attempts::{Backoff, Forget, Pair, StoredFailures};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::names::Origin;
use crate::domain::subject::{SubjectId, SubjectKind};
use crate::domain::tenant_settings::TenantSettings;
use crate::ports::meter::{AttemptOutcome, AttemptThrottle, Counter};
use crate::ports::{AdmittedHashes, Deadline, HashDemand, Place};
use crate::service::ServiceError;

/// A reserved attempt, with the hashes that it needs. It is under way until it is dropped, so that attempts behind it
/// see its outcome; if it is dropped without an ending, it is undecided.
pub struct Reserved<C: Candidate> {
    pub(super) gates: Arc<Gates>,
    pub(super) candidate: C,
    pub(super) hashes: Arc<dyn AdmittedHashes>,
    pair: Pair,
    slot: Arc<Slot>,
    limit: Backoff,
    /// Whether failures of the pair were stored, also those that no longer count.
    has_stored: bool,
    counts: bool,
    /// The turn at the system that verifies the password of the subject.
    pub(super) hook_turn: Option<Box<Place<SubjectId>>>,
}

/// How an attempt ends.
pub(super) enum Ending {
    /// What was given is right. It does not count.
    Right,
    /// The same, and a commit follows. It checks the evidence itself.
    RightForCommit,
    /// A password was wrong, or used before if that reveals what it is. It counts.
    Wrong,
    /// There is no verdict on what was given, or none that is reported. It counts if a given password was compared with
    /// a stored one: what the caller gets instead of a verdict may reveal it.
    Undecided,
}

impl<C: Candidate> Reserved<C> {
    /// The candidate, as it was when the attempt was reserved.
    pub(in crate::service) fn candidate(&self) -> &C {
        &self.candidate
    }

    /// Whose stored failures a change forgets: those of all callers if an administrator makes it, else the pair's, if
    /// there are any.
    pub(super) fn to_forget(&self) -> Option<Forget> {
        if self.candidate.call().caller.action().is_administrative() {
            return Some(Forget::Subject(self.pair));
        }
        self.has_stored.then_some(Forget::Pair(self.pair))
    }

    /// From here on a given password is compared with a stored one: the attempt counts unless it is right or released.
    pub(super) fn compare(&mut self) {
        self.counts = true;
    }

    /// The attempt does not count: nothing was compared, or the response reveals nothing.
    pub(super) fn release(&mut self) {
        self.counts = false;
    }

    /// Ends the attempt, before its caller gets the verdict. If the attempt counts, that is durable when this is `Ok`;
    /// otherwise it is held, and there is no verdict. Nor is there one for a caller whose evidence no longer holds:
    /// hashes take time.
    pub(super) async fn end(&mut self, ending: Ending) -> Result<(), ServiceError> {
        let outcome = match ending {
            Ending::Right | Ending::RightForCommit => {
                if matches!(ending, Ending::Right) {
                    self.gates.check_evidence(self.candidate.call()).await?;
                }
                // While failed attempts of this pair are unrecorded, not even a right password is confirmed.
                if self.gates.held.holds(&self.pair) {
                    return Err(not_recorded());
                }
                if self.counts {
                    self.gates.ports.meter.count(Counter::Attempts(AttemptOutcome::Right));
                }
                self.release();
                return Ok(());
            }
            Ending::Wrong => AuditOutcome::WrongPassword,
            Ending::Undecided if self.counts => AuditOutcome::Undecided,
            Ending::Undecided => return Ok(()),
        };
        self.counts = false;
        self.gates.record_failure(self.failed(outcome)).await?;
        self.gates.check_evidence(self.candidate.call()).await
    }

    fn failed(&self, outcome: AuditOutcome) -> FailedAttempt {
        let is_wrong = outcome == AuditOutcome::WrongPassword;
        let verdict = if is_wrong { AttemptOutcome::Wrong } else { AttemptOutcome::Undecided };
        self.gates.ports.meter.count(Counter::Attempts(verdict));
        let event = self.gates.event(self.candidate.permit().permit(), outcome);
        FailedAttempt { pair: self.pair, limit: self.limit, event }
    }

    /// Forgets the stored failures, if there are any.
    pub(super) async fn forget(&self) -> Result<(), ServiceError> {
        if self.has_stored {
            self.gates.ports.store.forget_failures(&self.pair).await?;
        }
        Ok(())
    }
}

impl<C: Candidate> Drop for Reserved<C> {
    fn drop(&mut self) {
        if self.counts {
            self.gates.held.hold(self.failed(AuditOutcome::Undecided));
        }
        self.slot.leave();
    }
}

impl Gates {
    /// Reserves an attempt and admits its hashes together, as many as it needs once it is its turn. If attempts
    /// under way use up the allowance, waits for its turn within the deadline; a refusal costs no attempt.
    pub(in crate::service) async fn reserve<C: Candidate>(
        self: &Arc<Self>,
        mut candidate: C,
        origin: Option<&Origin>,
        hashes: impl FnOnce(&C) -> HashDemand,
    ) -> Result<Reserved<C>, ServiceError> {
        let ((subject, name), call) = (candidate.keys(), candidate.call());
        let pair = Pair { subject, name, caller: caller_key(call.caller(), call.caller.action(), origin) };
        let slot = self.under_way.slot(pair);
        let deadline = call.deadline;
        let limits = self.limits(candidate.permit().name().kind(), candidate.settings());
        let turn = within(deadline, self.take_turn(&slot, pair, limits, &mut candidate));
        let taken = turn.await.ok_or(ServiceError::DeadlineExceeded)?;
        if let Err(ServiceError::TooManyAttempts { .. } | ServiceError::AttemptsStopped { .. }) = taken {
            let throttled = AuditOutcome::Throttled { repeats: None };
            // On the heap, as it is rare: every attempt would be larger otherwise.
            Box::pin(self.record_refusal(self.event(candidate.permit().permit(), throttled))).await?;
        }
        let (turn, has_stored) = taken?;
        let hashes = self.ports.hasher.admit(candidate.permit().tenant(), hashes(&candidate), deadline)?;
        slot.enter();
        drop(turn);
        let gates = Arc::clone(self);
        Ok(Reserved {
            gates,
            candidate,
            hashes,
            pair,
            slot,
            limit: limits.pair,
            has_stored,
            counts: false,
            hook_turn: None,
        })
    }

    /// The attempt limits for subjects of a kind. They hold for a name without a subject as well: otherwise the limit
    /// would reveal which names exist.
    pub(super) fn limits(&self, kind: SubjectKind, settings: &TenantSettings) -> AttemptLimits {
        let limits = self.installation.attempts;
        match kind {
            SubjectKind::RamUser => limits.with_max_login_attempts(settings.ram.max_login_attemps()),
            SubjectKind::IamUser => limits.with_login_policy(&settings.login),
            _ => limits,
        }
    }

    /// Waits until the budget has room for one more attempt, and no held attempt of the pair is left to record. No
    /// other attempt can take the room while the turn that this returns is held. Returns with it whether failures of the pair
    /// are stored.
    async fn take_turn<'slot>(
        &self,
        slot: &'slot Slot,
        pair: Pair,
        limits: AttemptLimits,
        candidate: &mut impl Candidate,
    ) -> Result<(tokio::sync::MutexGuard<'slot, ()>, bool), ServiceError> {
        let (mut turn, mut waited) = match slot.turn.try_lock() {
            Ok(turn) => (turn, false),
            Err(_) => (slot.turn.lock().await, true),
        };
        let (mut slowed, mut is_first) = (false, !waited);
        loop {
            if std::mem::take(&mut waited) {
                self.check_evidence(candidate.call()).await?;
                candidate.catch_up(self).await?;
            }
            if self.held.is_full() {
                return Err(not_recorded());
            }
            self.record_held(&pair).await?;
            // Read before the store: an attempt that fails in between is then counted twice, and never missed.
            let under_way = slot.count();
            // Those that no longer count are still stored.
            let with_held = |stored: StoredFailures| {
                let now = self.now();
                let failures = self.held.added_to(stored.counting(now, &limits.pair), &pair, now);
                (failures, stored.by_caller.count > 0 || failures.by_caller.count > 0)
            };
            let ReadFailures { pair: of, failures: read, recorded } = *candidate.failures();
            let read = with_held(read);
            // Looked at last: a held attempt is first recorded, and then no longer held.
            let is_current = std::mem::take(&mut is_first) && of == pair && recorded == self.under_way.recorded();
            let (failures, has_stored) =
                if is_current { read } else { with_held(self.ports.store.failures(&pair).await?) };
            if failures.is_stopped {
                self.ports.meter.count(Counter::AttemptsThrottled(AttemptThrottle::Stop));
                return Err(ServiceError::AttemptsStopped { retry_after: limits.pair.longest });
            }
            let retry_after = limits.pair.remaining(failures.by_caller, self.now());
            if !retry_after.is_zero() {
                self.restart_waits(&pair, failures).await?;
                self.ports.meter.count(Counter::AttemptsThrottled(AttemptThrottle::Pair));
                return Err(ServiceError::TooManyAttempts { retry_after });
            }
            let slowing = limits.subject.remaining(failures.by_all, self.now());
            if !slowing.is_zero() && !slowed {
                self.restart_waits(&pair, failures).await?;
                self.ports.meter.count(Counter::AttemptsThrottled(AttemptThrottle::Subject));
                if slowing >= candidate.call().deadline.remaining(self.ports.clock.instant()) {
                    return Err(ServiceError::TooManyAttempts { retry_after: slowing });
                }
                // Without the turn: calls of one pair are slowed side by side, each once.
                drop(turn);
                tokio::time::sleep(slowing).await;
                turn = slot.turn.lock().await;
                (slowed, waited) = (true, true);
                continue;
            }
            if under_way < limits.pair.room(failures.by_caller.count) {
                return Ok((turn, has_stored));
            }
            slot.someone_left().await;
            waited = true;
        }
    }

    /// Lets waits that the clock is behind the beginning of begin again now, so that they pass.
    async fn restart_waits(&self, pair: &Pair, failures: StoredFailures) -> Result<(), ServiceError> {
        let now = self.now();
        if failures.are_ahead_of(now) {
            self.ports.store.restart_waits(pair, now).await?;
        }
        Ok(())
    }
}

/// The future's output, or `None` once the deadline has passed.
async fn within<T>(deadline: Deadline, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline.instant().into(), future).await.ok()
}
