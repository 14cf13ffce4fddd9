//! Loading with a permit, and the attempt that is reserved on what is loaded.

use std::sync::Arc;

use super::attempts::{AttemptLimits, Slot, caller_key, name_key, subject_key};
use super::held::{FailedAttempt, not_recorded};
use super::pepper::Opened;
use super::recall::ReplayedChange;
use super::{Gates, SubjectPermit};
use crate::domain::attempts::{Backoff, Failures, Forget, Pair, SubjectKey};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::credential::{Credential, PasswordHash, Version};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tenant::TenantId;
use crate::policy::Policy;
use crate::ports::meter::{AttemptOutcome, AttemptThrottle, Counter};
use crate::ports::{AdmittedHashes, Deadline};
use crate::service::ServiceError;

/// A subject with its credential, loaded with a permit.
pub struct Loaded {
    permit: SubjectPermit,
    subject: Subject,
    tenant_id: TenantId,
    settings: TenantSettings,
    policy: Policy,
    opened: Option<Opened>,
}

impl Loaded {
    /// The subject.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The settings of its tenant.
    pub fn settings(&self) -> &TenantSettings {
        &self.settings
    }

    /// The policy for its passwords.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its credential, if it has one.
    pub fn credential(&self) -> Option<&Credential> {
        self.opened.as_ref().map(|opened| &opened.credential)
    }

    /// The version of its credential.
    pub fn version(&self) -> Option<Version> {
        self.credential().map(|credential| credential.version)
    }

    /// The permit that it was loaded with.
    pub fn permit(&self) -> &SubjectPermit {
        &self.permit
    }

    /// The hashes that a new password must not match, the current one's first: as many as the policy looks back.
    pub(super) fn used(&self) -> impl Iterator<Item = &PasswordHash> {
        let hashes = self.opened.iter().flat_map(|opened| opened.current.iter().chain(&opened.earlier));
        hashes.take(self.policy.reuse_depth() as usize)
    }
}

/// Whose password is tried. Which of them it is decides what an attempt on it can do.
pub trait Candidate: Send + Sync + Sized + 'static {
    /// The permit to try it.
    fn permit(&self) -> &SubjectPermit;

    /// The settings that its password is held to.
    fn settings(&self) -> &TenantSettings;

    /// What attempts on it are counted under: itself, and its name if it has an id besides.
    fn keys(&self) -> (SubjectKey, Option<SubjectKey>);

    /// The hash that a password is verified against, if there is one.
    fn hash(&self) -> Option<&PasswordHash>;

    /// The hash of the previous password, if it is valid as well.
    fn previous_hash(&self) -> Option<&PasswordHash> {
        None
    }

    /// Handles changes during a wait.
    fn catch_up(&mut self, gates: &Gates) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Its password is to be changed.
impl Candidate for Loaded {
    fn permit(&self) -> &SubjectPermit {
        &self.permit
    }

    fn settings(&self) -> &TenantSettings {
        &self.settings
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        (subject_key(self.subject.id), Some(name_key(self.tenant_id, &self.subject.name)))
    }

    fn hash(&self) -> Option<&PasswordHash> {
        self.opened.as_ref()?.current.as_ref()
    }

    fn previous_hash(&self) -> Option<&PasswordHash> {
        self.opened.as_ref()?.previous.as_ref()
    }

    /// The change was decided on the old version, and need not hash if there is a new one.
    async fn catch_up(&mut self, gates: &Gates) -> Result<(), ServiceError> {
        let before = self.version();
        gates.reload(self).await?;
        let current = self.version();
        if current == before { Ok(()) } else { Err(ServiceError::VersionConflict { current }) }
    }
}

/// The password that the change set is tried, whatever the current one is.
impl Candidate for ReplayedChange {
    fn permit(&self) -> &SubjectPermit {
        self.loaded.permit()
    }

    fn settings(&self) -> &TenantSettings {
        self.loaded.settings()
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        self.loaded.keys()
    }

    fn hash(&self) -> Option<&PasswordHash> {
        Some(&self.hash)
    }

    async fn catch_up(&mut self, _: &Gates) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A subject whose password is verified, or a name without one.
pub enum SubjectOrName {
    /// A subject.
    Subject(Box<Loaded>),
    /// A name, with the settings that a subject of that name would be held to.
    Name(Box<SubjectPermit>, TenantId, TenantSettings),
}

impl SubjectOrName {
    /// The subject, if there is one.
    pub fn subject(&self) -> Option<&Loaded> {
        match self {
            Self::Subject(loaded) => Some(loaded),
            Self::Name(..) => None,
        }
    }
}

impl Candidate for SubjectOrName {
    fn permit(&self) -> &SubjectPermit {
        match self {
            Self::Subject(loaded) => &loaded.permit,
            Self::Name(permit, ..) => permit,
        }
    }

    fn settings(&self) -> &TenantSettings {
        match self {
            Self::Subject(loaded) => &loaded.settings,
            Self::Name(_, _, settings) => settings,
        }
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        match self {
            Self::Subject(loaded) => loaded.keys(),
            Self::Name(permit, tenant, _) => (name_key(*tenant, permit.name()), None),
        }
    }

    fn hash(&self) -> Option<&PasswordHash> {
        self.subject()?.hash()
    }

    fn previous_hash(&self) -> Option<&PasswordHash> {
        self.subject()?.previous_hash()
    }

    /// A verification applies to the current state.
    async fn catch_up(&mut self, gates: &Gates) -> Result<(), ServiceError> {
        match self {
            Self::Subject(loaded) => gates.reload(loaded).await,
            Self::Name(..) => Ok(()),
        }
    }
}

/// A reserved attempt, with the hashes that it needs. It is under way until it is dropped, so that attempts behind it
/// see its outcome; if it is dropped without an ending, it is undecided.
pub struct Reserved<C: Candidate> {
    pub(super) gates: Arc<Gates>,
    pub(super) candidate: C,
    pub(super) hashes: Arc<dyn AdmittedHashes>,
    pair: Pair,
    slot: Arc<Slot>,
    limit: Backoff,
    stored: Failures,
    counts: bool,
}

/// How an attempt ends.
pub(super) enum Ending {
    /// What was given is right. It does not count.
    Right,
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
        if self.candidate.permit().call().caller.action().is_administrative() {
            return Some(Forget::Subject(self.pair));
        }
        (self.stored.count > 0).then_some(Forget::Pair(self.pair))
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
            Ending::Right => {
                self.gates.check_evidence(self.candidate.permit().call()).await?;
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
        self.gates.check_evidence(self.candidate.permit().call()).await
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
        if self.stored.count > 0 {
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
    /// Loads a subject with its credential. Reports what is missing.
    pub(in crate::service) async fn load(&self, permit: SubjectPermit) -> Result<Loaded, ServiceError> {
        let subject = permit.subject()?.clone();
        let (caller, action) = (permit.call().caller(), permit.call().caller.action());
        // Deleted and recreated since the caller was authenticated: the credentials belonged to the earlier subject.
        if action.is_by_the_subject() && caller.subject_id() != Some(subject.id) {
            return Err(ServiceError::Unauthenticated);
        }
        let (tenant_id, settings) = self.tenant_settings(permit.permit(), permit.tenant()).await?;
        let policy = self.policy(&subject, &settings);
        let opened = self.credential(&subject, action, &policy).await?;
        Ok(Loaded { permit, subject, tenant_id, settings, policy, opened })
    }

    /// Loads a subject with its credential, if there is one. Does not report what is missing.
    pub(in crate::service) async fn load_or_name(&self, permit: SubjectPermit) -> Result<SubjectOrName, ServiceError> {
        if permit.subject().is_err() {
            let (tenant, settings) = self.tenant_settings(permit.permit(), permit.tenant()).await?;
            return Ok(SubjectOrName::Name(Box::new(permit), tenant, settings));
        }
        Ok(SubjectOrName::Subject(Box::new(self.load(permit).await?)))
    }

    /// Reserves an attempt and admits its hashes together, as many as it counts as once it is its turn. If attempts
    /// under way use up the allowance, waits for its turn within the deadline; a refusal costs no attempt.
    pub(in crate::service) async fn reserve<C: Candidate>(
        self: &Arc<Self>,
        mut candidate: C,
        hashes: impl FnOnce(&C) -> u32,
    ) -> Result<Reserved<C>, ServiceError> {
        let ((subject, name), call) = (candidate.keys(), candidate.permit().call());
        let pair = Pair { subject, name, caller: caller_key(call.caller(), call.caller.action()) };
        let slot = self.under_way.slot(pair);
        let deadline = call.deadline;
        let limits = self.limits(&candidate);
        let turn = within(deadline, self.take_turn(&slot, pair, limits, &mut candidate));
        let (turn, stored) = turn.await.ok_or(ServiceError::DeadlineExceeded)??;
        let hashes = self.ports.hasher.admit(candidate.permit().tenant(), hashes(&candidate), deadline)?;
        slot.enter();
        drop(turn);
        let gates = Arc::clone(self);
        Ok(Reserved { gates, candidate, hashes, pair, slot, limit: limits.pair, stored, counts: false })
    }

    /// The attempt limits for a candidate. They hold for a name without a subject as well: otherwise the limit would
    /// reveal which names exist.
    fn limits(&self, candidate: &impl Candidate) -> AttemptLimits {
        let limits = self.installation.attempts;
        match candidate.permit().name().kind() {
            SubjectKind::RamUser => limits.with_max_login_attempts(candidate.settings().ram.max_login_attemps()),
            _ => limits,
        }
    }

    /// Waits until the budget has room for one more attempt, and no held attempt of the pair is left to record. No
    /// other attempt can take the room while the turn is held.
    async fn take_turn<'slot>(
        &self,
        slot: &'slot Slot,
        pair: Pair,
        limits: AttemptLimits,
        candidate: &mut impl Candidate,
    ) -> Result<(tokio::sync::MutexGuard<'slot, ()>, Failures), ServiceError> {
        let (turn, mut waited) = match slot.turn.try_lock() {
            Ok(turn) => (turn, false),
            Err(_) => (slot.turn.lock().await, true),
        };
        let mut slowed = false;
        loop {
            if std::mem::take(&mut waited) {
                self.check_evidence(candidate.permit().call()).await?;
                candidate.catch_up(self).await?;
            }
            if self.held.is_full() {
                return Err(not_recorded());
            }
            self.record_held(&pair).await?;
            // Read before the store: an attempt that fails in between is then counted twice, and never missed.
            let under_way = slot.count();
            let failures = self.ports.store.failures(&pair).await?.counting(self.now());
            let failures = self.held.added_to(failures, &pair);
            let retry_after = limits.pair.remaining(failures.by_caller, self.now());
            if !retry_after.is_zero() {
                self.ports.meter.count(Counter::AttemptsThrottled(AttemptThrottle::Pair));
                return Err(ServiceError::TooManyAttempts { retry_after });
            }
            let slowing = limits.subject.remaining(failures.by_all, self.now());
            if !slowing.is_zero() && !slowed {
                self.ports.meter.count(Counter::AttemptsThrottled(AttemptThrottle::Subject));
                if slowing >= candidate.permit().call().deadline.remaining(self.ports.clock.instant()) {
                    return Err(ServiceError::TooManyAttempts { retry_after: slowing });
                }
                tokio::time::sleep(slowing).await;
                (slowed, waited) = (true, true);
                continue;
            }
            let room = limits.pair.allowance.saturating_sub(failures.by_caller.count).max(1);
            if under_way < room {
                return Ok((turn, failures.by_caller));
            }
            slot.someone_left().await;
            waited = true;
        }
    }

    /// Loads the credential again.
    pub(super) async fn reload(&self, loaded: &mut Loaded) -> Result<(), ServiceError> {
        let action = loaded.permit.call().caller.action();
        loaded.opened = self.credential(&loaded.subject, action, &loaded.policy).await?;
        Ok(())
    }
}

/// The future's output, or `None` once the deadline has passed.
async fn within<T>(deadline: Deadline, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline.instant().into(), future).await.ok()
}
