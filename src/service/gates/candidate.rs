//! Whose password is tried, loaded with a permit.

use super::attempts::{ReadFailures, caller_key, name_key, subject_key};
use super::pepper::Opened;
use super::recall::{ReplayedChange, client_token_key};
use super::{Gates, SubjectPermit};
use crate::domain::attempts::{Pair, SubjectKey};
use crate::domain::candidate_policy::TenantPolicies;
use crate::domain::client_token::RememberedChange;
use crate::domain::credential::{Credential, PasswordHash, Version};
use crate::domain::names::{ClientToken, Origin};
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::time::Timestamp;
use crate::policy::{Expiry, Policy};
use crate::ports::store::{Standing, StandingQuery};
use crate::service::error::Missing;
use crate::service::{Call, ServiceError};

/// A subject with its credential, loaded with a permit.
pub struct Loaded {
    permit: SubjectPermit,
    subject: Subject,
    policies: TenantPolicies,
    policy: Policy,
    opened: Option<Opened>,
    failures: Box<ReadFailures>,
    remembered: Option<RememberedChange>,
}

impl Loaded {
    /// The subject.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The settings of its tenant.
    pub fn settings(&self) -> &TenantSettings {
        &self.policies.settings
    }

    /// The settings of its tenant, and the candidate.
    pub fn policies(&self) -> &TenantPolicies {
        &self.policies
    }

    /// The policy for its passwords.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its credential, if it has one.
    pub fn credential(&self) -> Option<&Credential> {
        self.opened.as_ref().map(|opened| &opened.credential)
    }

    /// Whether another system verifies its password.
    pub fn is_verified_elsewhere(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.is_verified_elsewhere)
    }

    /// The version of its credential.
    pub fn version(&self) -> Option<Version> {
        self.credential().map(|credential| credential.version)
    }

    /// The permit that it was loaded with.
    pub fn permit(&self) -> &SubjectPermit {
        &self.permit
    }

    /// Whether its password has to be replaced: for its age, or because an administrator set it for now.
    pub fn expiry(&self, now: Timestamp) -> Expiry {
        let state = self.credential().map(Credential::state);
        state.map_or(Expiry::NotExpired, |state| self.policy.lifetime().expiry_of(&state, now))
    }

    /// The change that is remembered under the request's client token.
    pub(super) fn remembered(&self) -> Option<RememberedChange> {
        self.remembered
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

    /// The call that tries it.
    fn call(&self) -> &Call {
        self.permit().call()
    }

    /// The settings that its password is held to.
    fn settings(&self) -> &TenantSettings;

    /// What attempts on it are counted under: itself, and its name if it has an id besides.
    fn keys(&self) -> (SubjectKey, Option<SubjectKey>);

    /// The wrong passwords that were read with it.
    fn failures(&self) -> &ReadFailures;

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
        &self.policies.settings
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        (subject_key(self.subject.id), Some(name_key(self.policies.tenant, &self.subject.name)))
    }

    fn failures(&self) -> &ReadFailures {
        &self.failures
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

/// The password that the change set is tried, even if it is no longer the current one.
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

    fn failures(&self) -> &ReadFailures {
        self.loaded.failures()
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
    Name(Box<SubjectPermit>, TenantId, TenantSettings, Box<ReadFailures>),
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
            Self::Subject(loaded) => loaded.settings(),
            Self::Name(_, _, settings, _) => settings,
        }
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        match self {
            Self::Subject(loaded) => loaded.keys(),
            Self::Name(permit, tenant, ..) => (name_key(*tenant, permit.name()), None),
        }
    }

    fn failures(&self) -> &ReadFailures {
        match self {
            Self::Subject(loaded) => &loaded.failures,
            Self::Name(.., failures) => failures,
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

impl Gates {
    /// Loads a subject with its credential, and with what is remembered under a client token of the request. Reports what
    /// is missing.
    pub(in crate::service) async fn load(
        &self,
        permit: SubjectPermit,
        token: Option<&ClientToken>,
    ) -> Result<Loaded, ServiceError> {
        permit.subject()?;
        match Box::pin(self.load_with(permit, None, token)).await? {
            SubjectOrName::Subject(loaded) => Ok(*loaded),
            SubjectOrName::Name(permit, ..) => Err(permit.not_found()),
        }
    }

    /// Loads a subject with its credential, if there is one. Does not report what is missing.
    pub(in crate::service) async fn load_or_name(
        &self,
        permit: SubjectPermit,
        origin: Option<&Origin>,
    ) -> Result<SubjectOrName, ServiceError> {
        Box::pin(self.load_with(permit, origin, None)).await
    }

    /// Called on the heap: every attempt would be larger otherwise.
    async fn load_with(
        &self,
        permit: SubjectPermit,
        origin: Option<&Origin>,
        token: Option<&ClientToken>,
    ) -> Result<SubjectOrName, ServiceError> {
        let subject = permit.subject().ok().cloned();
        let (caller, action) = (permit.call().caller(), permit.call().caller.action());
        let id = subject.as_ref().map(|subject| subject.id);
        // Deleted and recreated since the caller was authenticated: the credentials belonged to the earlier subject.
        if id.is_some() && action.is_by_the_subject() && caller.subject_id() != id {
            return Err(ServiceError::Unauthenticated);
        }
        let tenant = permit.permit().tenant().ok_or(ServiceError::NotFound(Missing::Tenant))?;
        let of_name = name_key(tenant, permit.name());
        let (key, name) = id.map_or((of_name, None), |id| (subject_key(id), Some(of_name)));
        let pair = Pair { subject: key, name, caller: caller_key(caller, action, origin) };
        let token = id.zip(token).map(|(id, token)| client_token_key(caller, action, id, token));
        let query = StandingQuery { tenant: permit.tenant(), subject: id, pair: &pair, token: token.as_ref() };
        let recorded = self.under_way.recorded();
        let standing = self.ports.store.standing(&query).await?.ok_or(ServiceError::NotFound(Missing::Tenant))?;
        let Standing { policies, credential, failures, remembered } = standing;
        let failures = Box::new(ReadFailures { pair, failures, recorded });
        let Some(subject) = subject else {
            return Ok(SubjectOrName::Name(Box::new(permit), policies.tenant, policies.settings, failures));
        };
        let policy = self.policy(&subject, &policies.settings);
        let opened = self.opened(credential, &subject, action, &policy)?;
        let loaded = Loaded { permit, subject, policies, policy, opened, failures, remembered };
        Ok(SubjectOrName::Subject(Box::new(loaded)))
    }

    /// Loads the credential again.
    pub(super) async fn reload(&self, loaded: &mut Loaded) -> Result<(), ServiceError> {
        let action = loaded.permit.call().caller.action();
        let credential = self.ports.store.credential(loaded.subject.id).await?;
        loaded.opened = self.opened(credential, &loaded.subject, action, &loaded.policy)?;
        Ok(())
    }
}
